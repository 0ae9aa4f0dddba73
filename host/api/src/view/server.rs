//! A server: its manifest, and beside it what became of it.

use jiff::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::Condition;
use crate::FieldError;
use crate::manifest::{Kind, Manifest, ServerManifest, parse_shown};

/// A server. On the wire the fields of the manifest and of the status stand side by side; no name is in
/// both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerView {
    /// What its owner wants; with `kind`, so that it can be applied again.
    #[serde(flatten)]
    pub manifest: Manifest,
    /// What became of it.
    #[serde(flatten)]
    pub status: ServerStatus,
}

/// What became of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatus {
    /// Its id; another server of the same name later has another.
    pub id: String,
    /// The worst of its instances, condition by condition.
    pub conditions: Vec<Condition>,
    /// Instances that are Ready.
    pub ready_replicas: u32,
    /// Ready instances whose function is proven.
    pub verified_replicas: u32,
    /// Instances that the runtime reports running.
    pub running_replicas: u32,
    /// Instances of the present spec.
    pub updated_replicas: u32,
    /// Instances there are.
    pub current_replicas: u32,
    /// What its owner should know, such as a secret that is not there.
    pub warnings: Vec<String>,
    /// How a change is coming along, in words; `None` when all instances are of the present spec.
    pub rollout: Option<String>,
    /// Counted up by every change of the manifest; for `If-Match`.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the manifest changed last.
    pub updated_at: Timestamp,
}

/// How `rollout` begins while a server is being deleted.
pub const BEING_DELETED: &str = "being deleted";

impl ServerStatus {
    /// Whether the server is being deleted: it is gone when its instances are.
    pub fn is_being_deleted(&self) -> bool {
        self.rollout.as_ref().is_some_and(|words| words.starts_with(BEING_DELETED))
    }
}

/// The names of [`ServerStatus`] on the wire.
const STATUS_FIELDS: [&str; 12] = [
    "id",
    "conditions",
    "readyReplicas",
    "verifiedReplicas",
    "runningReplicas",
    "updatedReplicas",
    "currentReplicas",
    "warnings",
    "rollout",
    "version",
    "createdAt",
    "updatedAt",
];

impl ServerView {
    /// Puts the two halves together.
    pub fn new(manifest: ServerManifest, status: ServerStatus) -> Self {
        Self { manifest: Manifest::Server(Box::new(manifest)), status }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.manifest.name()
    }

    /// What its owner wants; `None` only where somebody built the view of another kind by hand.
    pub fn spec(&self) -> Option<&ServerManifest> {
        match &self.manifest {
            Manifest::Server(server) => Some(server),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for ServerView {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let status = ServerStatus::deserialize(&value).map_err(D::Error::custom)?;
        if let Value::Object(fields) = &mut value {
            fields.retain(|name, _| !STATUS_FIELDS.contains(&name.as_str()));
        }
        let first = |mistakes: Vec<FieldError>| mistakes.first().map(ToString::to_string).unwrap_or_default();
        let manifest = parse_shown(&value, Kind::Server).map_err(|found| D::Error::custom(first(found)))?;
        Ok(Self { manifest, status })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::{Context, parse};

    fn view() -> ServerView {
        let manifest = parse(
            &json!({"kind": "server", "name": "demo", "command": ["mcpd", "demo-server"], "healthCheck": {"tool": "whoami"}}),
            &Context::default(),
        );
        let Ok(Manifest::Server(manifest)) = manifest else { panic!("a good manifest was refused") };
        let status = ServerStatus {
            id: "s1".to_owned(),
            conditions: Vec::new(),
            ready_replicas: 1,
            verified_replicas: 1,
            running_replicas: 1,
            updated_replicas: 1,
            current_replicas: 1,
            warnings: Vec::new(),
            rollout: None,
            version: 1,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        ServerView::new(*manifest, status)
    }

    #[test]
    fn manifest_and_status_stand_side_by_side_and_come_apart_again() {
        let view = view();
        let mut value = serde_json::to_value(&view).unwrap();
        insta::assert_json_snapshot!(value, @r#"
        {
          "command": [
            "mcpd",
            "demo-server"
          ],
          "conditions": [],
          "createdAt": "1970-01-01T00:00:00Z",
          "currentReplicas": 1,
          "healthCheck": {
            "tool": "whoami"
          },
          "id": "s1",
          "kind": "server",
          "name": "demo",
          "readyReplicas": 1,
          "replicas": 1,
          "rollout": null,
          "runningReplicas": 1,
          "transport": "STDIO",
          "updatedAt": "1970-01-01T00:00:00Z",
          "updatedReplicas": 1,
          "verifiedReplicas": 1,
          "version": 1,
          "warnings": []
        }
        "#);
        value["aFieldOfTomorrow"] = json!(1);
        assert_eq!(serde_json::from_value::<ServerView>(value).unwrap(), view);
    }

    #[test]
    fn the_list_of_status_fields_is_complete_and_apart_from_those_of_manifests() {
        let view = view();
        let status = serde_json::to_value(&view.status).unwrap();
        let names: std::collections::BTreeSet<_> =
            status.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, STATUS_FIELDS.into_iter().collect());
        for field in STATUS_FIELDS {
            let manifest = json!({"kind": "server", "name": "a", "command": ["x"], field: 1});
            let mistakes = parse(&manifest, &Context::default()).unwrap_err();
            assert!(mistakes[0].message.starts_with("unknown field"), "{field}");
        }
    }
}
