"""Checks the compose files and the Kubernetes manifests: they are whole, what they name in each other is
there, and each setting is one of the server.

    manifests.py FOLDER                  writes what each kustomization deploys as FOLDER/NAME.yaml, and its
                                         settings below FOLDER/settings
    manifests.py --compare OURS THEIRS   compares that with what kubectl renders

The kustomizations are rendered here, as far as they go: resources, and patches that add to a map.
"""

import pathlib
import re
import sys

import compose_spec
import yaml

PACKAGING = pathlib.Path("packaging")
KUBERNETES = PACKAGING / "kubernetes"
# Where each kustomization begins, and the kind of what runs the server.
DEPLOYMENTS = {"one": (KUBERNETES, "Deployment"), "cluster": (KUBERNETES / "cluster", "StatefulSet")}


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text())]


def merged(base, patch):
    """A map with another one on top of it. A list of a patch would replace one, which none of ours does."""
    if not isinstance(base, dict) or not isinstance(patch, dict):
        assert not isinstance(patch, list), f"a list in a patch: {patch}"
        return patch
    return base | {key: merged(base.get(key), value) for key, value in patch.items()}


def rendered(folder):
    """All objects of a kustomization by kind and name, and the files that it consists of."""
    kustomization = documents(folder / "kustomization.yaml")[0]
    objects, files = {}, {folder / "kustomization.yaml"}
    for name in kustomization["resources"]:
        path = (folder / name).resolve().relative_to(pathlib.Path.cwd())
        if path.is_dir():
            below, their_files = rendered(path)
            objects |= below
            files |= their_files
            continue
        files.add(path)
        for item in documents(path):
            key = item["kind"], item["metadata"]["name"]
            assert key not in objects, f"{path}: {key} is there twice"
            objects[key] = item
    for patch in kustomization.get("patches", []):
        files.add(folder / patch["path"])
        for item in documents(folder / patch["path"]):
            key = item["kind"], item["metadata"]["name"]
            assert key in objects, f"{patch['path']}: there is no {key}"
            objects[key] = merged(objects[key], item)
    return objects, files


def check_references(objects, kind):
    """What the objects name in each other is there."""
    server = objects[kind, "headwater"]["spec"]
    pod = server["template"]
    container = pod["spec"]["containers"][0]
    labels, ports = pod["metadata"]["labels"], {port["name"]: port["containerPort"] for port in container["ports"]}
    services = [item["spec"] for (kind_, _), item in objects.items() if kind_ == "Service"]
    policies = [item["spec"] for (kind_, _), item in objects.items() if kind_ == "NetworkPolicy"]
    budgets = [item["spec"] for (kind_, _), item in objects.items() if kind_ == "PodDisruptionBudget"]
    selected = [server["selector"]["matchLabels"]]
    selected += [service["selector"] for service in services]
    selected += [policy["podSelector"]["matchLabels"] for policy in policies]
    selected += [budget["selector"]["matchLabels"] for budget in budgets]
    spread = pod["spec"].get("topologySpreadConstraints", [])
    selected += [constraint["labelSelector"]["matchLabels"] for constraint in spread]
    for selector in selected:
        assert selector.items() <= labels.items(), selector
    for service in services:
        assert {port["targetPort"] for port in service["ports"]} <= ports.keys(), service
    named = [port["port"] for policy in policies for rule in policy.get("ingress", []) for port in rule["ports"]]
    assert set(named) <= ports.keys(), named
    for probe in ["livenessProbe", "readinessProbe"]:
        assert container[probe]["httpGet"]["port"] in ports, probe
    claims = [claim["metadata"]["name"] for claim in server.get("volumeClaimTemplates", [])]
    volumes = pod["spec"]["volumes"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == set(claims) | {volume["name"] for volume in volumes}, mounted
    for volume in volumes:
        if "secret" in volume:
            assert ("Secret", volume["secret"]["secretName"]) in objects, volume
        if "persistentVolumeClaim" in volume:
            assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in objects, volume
    keys = objects["Secret", "headwater"]["stringData"]
    for variable in container["env"]:
        value = variable.get("value", "")
        if value.startswith("/run/secrets/"):
            assert value.rsplit("/", 1)[1] in keys, variable


def environment(objects, kind, pod_name):
    """The settings of a pod, as the server gets them."""
    container = objects[kind, "headwater"]["spec"]["template"]["spec"]["containers"][0]
    settings = {}
    for source in container["envFrom"]:
        settings |= objects["ConfigMap", source["configMapRef"]["name"]]["data"]
    known = {}
    for variable in container["env"]:
        if "valueFrom" in variable:
            assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name", variable
            known[variable["name"]] = pod_name
            continue
        # Only a variable that comes before is replaced.
        value = re.sub(r"\$\((\w+)\)", lambda match: known[match[1]], variable["value"])
        known[variable["name"]] = value
        settings[variable["name"]] = value
    return settings


def check_cluster(objects):
    """A replica is what one server is, and what a cluster needs besides."""
    replicas = objects["StatefulSet", "headwater"]["spec"]
    peers = objects["Service", replicas["serviceName"]]["spec"]
    assert peers["clusterIP"] == "None" and peers["publishNotReadyAddresses"], peers
    assert replicas["podManagementPolicy"] == "Parallel", "replicas wait for each other"
    assert objects["PodDisruptionBudget", "headwater"]["spec"]["maxUnavailable"] == 1
    port = peers["ports"][0]["port"]
    for number in range(replicas["replicas"]):
        name = f"headwater-{number}"
        url = environment(objects, "StatefulSet", name)["HEADWATER_CLUSTER_URL"]
        assert url == f"http://{name}.{replicas['serviceName']}:{port}", url
    one, _ = rendered(KUBERNETES)
    alone = one["Deployment", "headwater"]["spec"]["template"]["spec"]
    replica = replicas["template"]["spec"]
    differing = {"topologySpreadConstraints", "terminationGracePeriodSeconds", "containers", "volumes"}
    for key in (alone.keys() | replica.keys()) - differing:
        assert alone.get(key) == replica.get(key), f"{key} differs"
    alone, replica = alone["containers"][0], replica["containers"][0]
    for key in (alone.keys() | replica.keys()) - {"env", "lifecycle"}:
        assert alone.get(key) == replica.get(key), f"{key} of the container differs"
    assert all(variable in replica["env"] for variable in alone["env"])
    # NATS is where its chart puts it, and lets the replicas do what they need.
    bus = objects["ConfigMap", "headwater"]["data"]["HEADWATER_CLUSTER"]
    values = documents(PACKAGING / "nats" / "values.yaml")[0]["config"]
    assert f"replicas={values['cluster']['replicas']}" in bus, bus
    allowed = values["merge"]["authorization"]["users"][0]["permissions"]
    said = (PACKAGING / "nats" / "permissions.conf").read_text()
    assert allowed["publish"] + allowed["subscribe"] == re.findall(r'"([^"]+)"', said), "the permissions differ"
    egress = objects["NetworkPolicy", "headwater-cluster"]["spec"]["egress"]
    to_nats = [rule for rule in egress if "nats" in str(rule["to"])]
    assert str(to_nats[0]["ports"][0]["port"]) == re.search(r":(\d+)/", bus)[1], bus


def check_compose(scratch):
    replicas = set()
    for path in sorted((PACKAGING / "compose").glob("*.yaml")):
        content = documents(path)[0]
        # The validator does not know merged maps, which Compose does.
        compose_spec.PyCompose.from_yaml(yaml.safe_dump(content)).validate()
        services = content["services"]
        for name, service in services.items():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("."):
                    assert (path.parent / source).exists(), volume
                else:
                    assert source in content["volumes"], volume
            settings = service.get("environment", {})
            if "HEADWATER_REMOTE" in settings:
                write_settings(scratch / "settings" / f"{path.stem}-{name}", settings)
            if url := settings.get("HEADWATER_CLUSTER_URL"):
                assert url == f"http://{name}:8081", url
                replicas.add(name)
    proxy = (PACKAGING / "compose" / "nginx.conf").read_text()
    assert set(re.findall(r"server ([\w-]+):", proxy)) == replicas, replicas


def check_settings():
    """Each setting that is named anywhere is one of the server."""
    known = set(re.findall(r"`(HEADWATER_\w+)`", pathlib.Path("docs/settings.md").read_text()))
    # The address that `headwater ready` asks.
    known.add("HEADWATER_SERVER")
    for path in sorted(PACKAGING.rglob("*")):
        if path.is_file() and path.suffix != ".py":
            named = set(re.findall(r"HEADWATER_[A-Z_]+", path.read_text()))
            assert named <= known, f"{path}: {named - known}"


def write_settings(path, settings):
    """Settings as the server gets them. Secrets, which are not here, are replaced."""
    lines = []
    for number, (name, value) in enumerate(sorted(settings.items())):
        if "SECRET" in name:
            name, value = name.removesuffix("_FILE"), f"a-secret-of-the-check-{number}"
        lines.append(f"{name}={value}\n")
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(lines))


def main(scratch):
    yamls = sorted(PACKAGING.rglob("*.y*ml")) + [pathlib.Path("action.yml")]
    for path in yamls:
        assert all(document for document in documents(path)), f"{path} is empty"
    check_compose(scratch)
    used = set()
    for name, (folder, kind) in DEPLOYMENTS.items():
        objects, files = rendered(folder)
        used |= files
        check_references(objects, kind)
        if kind == "StatefulSet":
            check_cluster(objects)
        (scratch / f"{name}.yaml").write_text(yaml.safe_dump_all(objects.values()))
        write_settings(scratch / "settings" / name, environment(objects, kind, "headwater-0"))
    there = set(KUBERNETES.rglob("*.yaml"))
    assert used == there, f"{used ^ there} is not in a kustomization, or not there"
    check_settings()


def compare(ours, theirs):
    """kubectl renders the same, with a namespace, labels and the name of the image besides."""
    def by_name(path):
        objects = {(item["kind"], item["metadata"]["name"]): item for item in documents(pathlib.Path(path))}
        for item in objects.values():
            del item["metadata"]
            pod = item.get("spec", {}).get("template", {})
            for container in pod.get("spec", {}).get("containers", []):
                container["image"] = container["image"].split("/")[-1].split(":")[0]
        return objects

    ours, theirs = by_name(ours), by_name(theirs)
    assert ours == theirs, "kubectl renders something else"


if sys.argv[1] == "--compare":
    compare(*sys.argv[2:])
else:
    main(pathlib.Path(sys.argv[1]))
