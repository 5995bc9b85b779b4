//! How commits, heads and digests are written in the JSON of the register.

pub(super) mod commit {
    use headwater_engine::id::CommitId;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::cluster::register) fn serialize<S: Serializer>(
        commit: &CommitId,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(commit)
    }

    pub(in crate::cluster::register) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<CommitId, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

pub(super) mod commits {
    use headwater_engine::id::CommitId;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::cluster::register) fn serialize<S: Serializer>(
        all: &[CommitId],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(all.iter().map(ToString::to_string))
    }

    pub(in crate::cluster::register) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<CommitId>, D::Error> {
        let all = Vec::<String>::deserialize(from)?;
        all.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

pub(super) mod commits_by_name {
    use std::collections::BTreeMap;

    use headwater_engine::id::CommitId;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::cluster::register) fn serialize<S: Serializer>(
        all: &BTreeMap<String, CommitId>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_map(all.iter().map(|(name, commit)| (name, commit.to_string())))
    }

    pub(in crate::cluster::register) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<String, CommitId>, D::Error> {
        let all = BTreeMap::<String, String>::deserialize(from)?;
        let parsed = all.into_iter().map(|(name, text)| Ok((name, text.parse()?)));
        parsed
            .collect::<Result<_, <CommitId as std::str::FromStr>::Err>>()
            .map_err(D::Error::custom)
    }
}

pub(super) mod safe_head {
    use headwater_engine::id::CommitId;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::cluster::register::Head;

    /// The head as fields of the value, of which an earlier version has none.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields {
        #[serde(with = "super::optional_commit", default)]
        safe: Option<CommitId>,
        #[serde(default)]
        safe_seq: u64,
    }

    pub(in crate::cluster::register) fn serialize<S: Serializer>(
        head: &Option<Head>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let safe_seq = head.map_or(0, |head| head.seq);
        Fields { safe: head.map(|head| head.commit), safe_seq }.serialize(to)
    }

    pub(in crate::cluster::register) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Head>, D::Error> {
        let Fields { safe, safe_seq: seq } = Fields::deserialize(from)?;
        Ok(safe.map(|commit| Head { commit, seq }))
    }
}

pub(super) mod optional_commit {
    use headwater_engine::id::CommitId;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::cluster::register) fn serialize<S: Serializer>(
        commit: &Option<CommitId>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        commit.map(|commit| commit.to_string()).serialize(to)
    }

    pub(in crate::cluster::register) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<CommitId>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

pub(super) mod digest {
    use data_encoding::HEXLOWER_PERMISSIVE;
    use headwater_engine::digest::Digest;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::cluster::register) fn serialize<S: Serializer>(
        digest: &Digest,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(digest)
    }

    pub(in crate::cluster::register) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Digest, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(D::Error::custom)?;
        let bytes = bytes.try_into().map_err(|_| D::Error::custom("a digest has 64 digits"))?;
        Ok(Digest::from_bytes(bytes))
    }
}
