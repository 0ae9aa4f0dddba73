//! What mcpd writes on its containers, to know them again: whose they are, and what they were started with.

use std::collections::HashMap;

use mcpd_core::name::InstanceId;
use mcpd_core::server::Revision;

use crate::runtime::StartRequest;

/// The id of the mcpd that a container belongs to. Only a container that bears ours is ever touched.
pub(super) const OWNER: &str = "mcpd.owner";
/// The instance it is the container of.
pub(super) const INSTANCE: &str = "mcpd.instance";
const SERVER: &str = "mcpd.server";
const LAUNCH: &str = "mcpd.launch";
const SECRETS: &str = "mcpd.secrets";
/// The names of those variables whose values are secret, for the redactor of the next mcpd.
const SECRET_ENV: &str = "mcpd.secret-env";

/// The labels of a container by their names.
pub(super) type Labels = HashMap<String, String>;

/// The labels of a new container.
pub(super) fn of_start(owner: &str, request: &StartRequest) -> Labels {
    let mut labels = vec![
        (OWNER, owner.to_owned()),
        (SERVER, request.server.to_string()),
        (INSTANCE, request.instance.to_string()),
        (LAUNCH, request.revision.launch.clone()),
        (SECRET_ENV, request.secret_names.join(",")),
    ];
    labels.extend(request.revision.secrets.clone().map(|hash| (SECRETS, hash)));
    labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What an engine is asked with for all that belongs to `owner`, or for the containers of one instance.
pub(super) fn filter(owner: &str, instance: Option<&InstanceId>) -> HashMap<String, Vec<String>> {
    let mut labels = vec![format!("{OWNER}={owner}")];
    labels.extend(instance.map(|instance| format!("{INSTANCE}={instance}")));
    HashMap::from([("label".to_owned(), labels)])
}

/// The instance that a container belongs to.
pub(super) fn find_instance(labels: &Labels) -> Option<InstanceId> {
    labels.get(INSTANCE).map(InstanceId::new)
}

/// What a container was started with.
pub(super) fn revision(labels: &Labels) -> Revision {
    let launch = labels.get(LAUNCH).cloned().unwrap_or_default();
    Revision { launch, secrets: labels.get(SECRETS).cloned() }
}

/// Those of `NAME=value` whose values are secret: the values.
pub(super) fn secret_values<'a>(labels: &Labels, env: &'a [String]) -> Vec<&'a str> {
    let names = labels.get(SECRET_ENV).map_or("", String::as_str);
    let names: Vec<&str> = names.split(',').filter(|name| !name.is_empty()).collect();
    let entries = env.iter().filter_map(|entry| entry.split_once('='));
    entries.filter(|(name, _)| names.contains(name)).map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::docker::create::tests::request;

    #[test]
    fn what_a_container_was_started_with_is_read_back_from_its_labels() {
        let start = StartRequest {
            revision: Revision { launch: "a1".to_owned(), secrets: Some("b2".to_owned()) },
            secret_names: vec!["TOKEN".to_owned(), "KEY".to_owned()],
            ..request()
        };
        let labels = of_start("owner", &start);
        assert_eq!(find_instance(&labels), Some(start.instance));
        assert_eq!(revision(&labels), start.revision);
        let env = ["PATH=/bin", "TOKEN=a=b", "KEY=", "KEYS=c"].map(str::to_owned);
        assert_eq!(secret_values(&labels, &env), ["a=b", ""]);
    }

    #[test]
    fn secrets_that_cannot_be_known_leave_no_label() {
        let start =
            StartRequest { revision: Revision { launch: "a1".to_owned(), secrets: None }, ..request() };
        let labels = of_start("owner", &start);
        assert_eq!(revision(&labels), start.revision);
        assert_eq!(secret_values(&labels, &["=x".to_owned()]), [""; 0]);
    }

    #[test]
    fn an_engine_is_asked_for_what_is_owned_only() {
        let all = filter("me", None);
        assert_eq!(all["label"], ["mcpd.owner=me"]);
        assert_eq!(filter("me", Some(&InstanceId::new("a")))["label"], ["mcpd.owner=me", "mcpd.instance=a"]);
    }
}
