#!/usr/bin/env python3
"""Records the terminal of the README: packaging/terminal/record.py target/release/headwater docs/terminal.svg

Runs the commands below in a clone of the demonstration's remote and draws what they print. The picture holds
real output; only its colours, its size and its pace are fixed. It needs bash, curl, git and jq.
"""

import html
import os
import re
import subprocess
import sys
import tempfile

# Each entry is a comment and a command. The output of a command is shown as it is, cut at the width.
SESSION = [
    ("Edit a record and push it.",
     "sed -i 's/^summary = .*/summary = \"Counted by otters.\"/' projects/tree-census.toml"),
    (None, "git commit -qam 'Ask the otters' && git push -q"),
    ("Call the webhook, as a forge does: the push is live.",
     "curl -sX POST -H @secret $API/_internal/reload-data | jq -c '{outcome, durationMs, changed}'"),
    (None, "curl -s \"$API/_search?q=otters\" | jq -c '.items[0] | {key, highlights}'"),
    ("Push a broken record: it is reported, and never served.",
     "echo 'title = \"No end' >projects/new.toml && git add . && git commit -qm Oops && git push -q"),
    (None, "curl -sX POST -H @secret $API/_internal/reload-data | jq -c '.code, (.problems[0] | [.path, .line, .message])'"),
    (None, "curl -s $API/projects/tree-census | jq .summary"),
]

COLUMNS, LINE, COLUMN, MARGIN, BAR = 112, 19, 7.83, 16, 30
COLOURS = {"comment": "#8b949e", "command": "#e6edf3", "output": "#7ee787"}


def run(binary):
    """Returns the lines of the session, each with its kind."""
    demo = subprocess.Popen(
        [binary, "demo"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = []
    try:
        intro = ""
        while "_search" not in intro:
            intro += demo.stdout.readline()
        address = re.search(r"at (http://\S+)", intro)[1]
        remote = re.search(r"git clone -q (\S+)", intro)[1]
        secret = re.search(r"Authorization: Bearer \w+", intro)[0]
        with tempfile.TemporaryDirectory() as folder:
            git = {"GIT_AUTHOR_NAME": "Demo", "GIT_AUTHOR_EMAIL": "demo@example.org",
                   "GIT_COMMITTER_NAME": "Demo", "GIT_COMMITTER_EMAIL": "demo@example.org"}
            environment = {**os.environ, **git, "API": f"{address}/api"}
            subprocess.run(["git", "clone", "-q", remote, folder], check=True)
            with open(f"{folder}/.git/secret", "w") as file:
                file.write(secret + "\n")
            for comment, command in SESSION:
                if comment:
                    lines.append(("comment", f"# {comment}"))
                lines.append(("command", f"$ {command}"))
                script = command.replace("@secret", "@.git/secret")
                printed = subprocess.run(
                    ["bash", "-ec", script], cwd=folder, env=environment, check=True,
                    capture_output=True, text=True).stdout
                lines.extend(("output", line) for line in printed.splitlines())
    finally:
        demo.terminate()
        demo.wait()
    return lines


def wrapped(lines):
    """Cuts lines at the width; what is cut off goes on in the next line."""
    for kind, line in lines:
        while line:
            yield kind, line[:COLUMNS]
            line = line[COLUMNS:] and "  " + line[COLUMNS:]


def draw(lines):
    """Returns the picture. Without animation, or where motion is reduced, all lines stand there at once."""
    width, height = COLUMNS * COLUMN + 2 * MARGIN, BAR + len(lines) * LINE + MARGIN
    texts, delay = [], 0.4
    for number, (kind, line) in enumerate(lines):
        delay += {"comment": 1.2, "command": 0.5, "output": 0.3}[kind]
        texts.append(
            f'<text class="{kind}" x="{MARGIN}" y="{BAR + (number + 1) * LINE - 5}" '
            f'style="animation-delay:{delay:.1f}s">{html.escape(line)}</text>')
    dots = "".join(
        f'<circle cx="{MARGIN + 5 + 18 * at}" cy="15" r="5" fill="{colour}"/>'
        for at, colour in enumerate(["#ff5f57", "#febc2e", "#28c840"]))
    fills = "".join(f".{kind}{{fill:{colour}}}" for kind, colour in COLOURS.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" '
        f'height="{height}" role="img" aria-label="A terminal in which a push goes live">\n'
        "<style>text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        f"white-space:pre;animation:show .01s linear backwards}}{fills}"
        "@keyframes show{from{opacity:0}}"
        "@media(prefers-reduced-motion:reduce){text{animation:none}}</style>\n"
        f'<rect width="100%" height="100%" rx="8" fill="#0d1117"/>{dots}\n' + "\n".join(texts) + "\n</svg>\n")


if __name__ == "__main__":
    binary, picture = sys.argv[1:]
    with open(picture, "w") as file:
        file.write(draw(list(wrapped(run(os.path.abspath(binary))))))
