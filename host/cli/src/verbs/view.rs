//! What `get` has to know of each kind of thing.

use jiff::Timestamp;
use mcpd_api::view::{
    EventView, InstanceView, ProbeView, SecretBackendView, SecretView, ServerView, WatchMessage,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::output::instances::IsWide;
use crate::output::table::{Cell, Column};
use crate::output::{events, instances, others, servers};
use crate::resource::Resource;

/// A view that `get` lists.
pub(crate) trait View: DeserializeOwned + Serialize + PartialEq {
    const RESOURCE: Resource;

    fn name(&self) -> &str;
    /// The server whose labels count.
    fn server(&self) -> Option<&str> {
        None
    }
    /// Itself out of a message of `/watch`, where it can be there.
    fn out_of(_: WatchMessage) -> Option<Self> {
        None
    }
    fn columns(is_wide: IsWide) -> Vec<Column>;
    fn row(&self, now: Timestamp, is_wide: IsWide) -> Vec<Cell>;

    /// What `-o yaml` shows: the manifest, for what has one.
    fn yaml(&self) -> serde_yaml_ng::Result<String> {
        serde_yaml_ng::to_string(self)
    }
}

impl View for ServerView {
    const RESOURCE: Resource = Resource::Servers;

    fn name(&self) -> &str {
        self.name()
    }

    fn server(&self) -> Option<&str> {
        Some(self.name())
    }

    fn out_of(message: WatchMessage) -> Option<Self> {
        if let WatchMessage::Server(view) = message { Some(*view) } else { None }
    }

    fn columns(is_wide: IsWide) -> Vec<Column> {
        servers::columns(is_wide)
    }

    fn row(&self, now: Timestamp, is_wide: IsWide) -> Vec<Cell> {
        servers::row(self, now, is_wide)
    }

    fn yaml(&self) -> serde_yaml_ng::Result<String> {
        serde_yaml_ng::to_string(&self.manifest)
    }
}

impl View for InstanceView {
    const RESOURCE: Resource = Resource::Instances;

    fn name(&self) -> &str {
        &self.id
    }

    fn server(&self) -> Option<&str> {
        Some(&self.server)
    }

    fn out_of(message: WatchMessage) -> Option<Self> {
        if let WatchMessage::Instance(view) = message { Some(*view) } else { None }
    }

    fn columns(is_wide: IsWide) -> Vec<Column> {
        instances::columns(is_wide)
    }

    fn row(&self, now: Timestamp, is_wide: IsWide) -> Vec<Cell> {
        instances::row(self, now, is_wide)
    }
}

impl View for SecretView {
    const RESOURCE: Resource = Resource::Secrets;

    fn name(&self) -> &str {
        &self.name
    }

    fn columns(_: IsWide) -> Vec<Column> {
        others::secret_columns()
    }

    fn row(&self, now: Timestamp, _: IsWide) -> Vec<Cell> {
        others::secret_row(self, now)
    }

    fn yaml(&self) -> serde_yaml_ng::Result<String> {
        serde_yaml_ng::to_string(&json!({ "kind": self.kind, "name": self.name, "backend": self.backend }))
    }
}

impl View for SecretBackendView {
    const RESOURCE: Resource = Resource::SecretBackends;

    fn name(&self) -> &str {
        &self.name
    }

    fn columns(_: IsWide) -> Vec<Column> {
        others::backend_columns()
    }

    fn row(&self, now: Timestamp, _: IsWide) -> Vec<Cell> {
        others::backend_row(self, now)
    }

    fn yaml(&self) -> serde_yaml_ng::Result<String> {
        let mut manifest = json!({ "kind": self.kind, "name": self.name, "type": self.backend_type });
        if self.config.as_object().is_some_and(|config| !config.is_empty()) {
            manifest["config"] = self.config.clone();
        }
        serde_yaml_ng::to_string(&manifest)
    }
}

impl View for ProbeView {
    const RESOURCE: Resource = Resource::Probes;

    fn name(&self) -> &str {
        &self.name
    }

    fn columns(_: IsWide) -> Vec<Column> {
        others::probe_columns()
    }

    fn row(&self, now: Timestamp, _: IsWide) -> Vec<Cell> {
        others::probe_row(self, now)
    }

    fn yaml(&self) -> serde_yaml_ng::Result<String> {
        let mut manifest = json!({ "kind": self.kind, "name": self.name, "source": self.source });
        if self.limits != Value::Null {
            manifest["limits"] = self.limits.clone();
        }
        serde_yaml_ng::to_string(&manifest)
    }
}

impl View for EventView {
    const RESOURCE: Resource = Resource::Events;

    fn name(&self) -> &str {
        self.instance.as_deref().or(self.server.as_deref()).unwrap_or("mcpd")
    }

    fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    fn columns(_: IsWide) -> Vec<Column> {
        events::columns()
    }

    fn row(&self, now: Timestamp, _: IsWide) -> Vec<Cell> {
        events::row(self, now)
    }
}
