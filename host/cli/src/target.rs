//! What an argument means: a kind and a name, and which instance a server's name stands for.

use mcpd_api::view::{HealthStatus, InstanceStatus, InstanceView, ListView};

use crate::client::{Client, segment};
use crate::resource::Resource;
use crate::trouble::{Done, Trouble};

/// A name, with its kind where that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) resource: Option<Resource>,
    pub(crate) name: String,
}

impl Target {
    /// `NAME`, `KIND/NAME` or `KIND NAME`.
    pub(crate) fn one(words: &[String]) -> Done<Self> {
        match words {
            [word] => match word.split_once('/') {
                Some((kind, name)) => Self::of(Some(kind), name),
                None => Self::of(None, word),
            },
            [kind, name] => Self::of(Some(kind), name),
            _ => Err(Trouble::Usage("one name is needed, or a kind and a name".to_owned())),
        }
    }

    /// `KIND NAME…` or `KIND/NAME…`; without a name where only a kind is given.
    pub(crate) fn several(words: &[String]) -> Done<(Resource, Vec<String>)> {
        let Some(first) = words.first() else {
            return Err(Trouble::Usage("a kind is needed".to_owned()));
        };
        if !first.contains('/') {
            return Ok((Resource::parse(first)?, words[1..].to_vec()));
        }
        let targets = words.iter().map(|word| Self::one(std::slice::from_ref(word)));
        let targets = targets.collect::<Done<Vec<_>>>()?;
        let resource = targets[0].resource;
        match resource {
            Some(resource) if targets.iter().all(|target| target.resource == Some(resource)) => {
                Ok((resource, targets.into_iter().map(|target| target.name).collect()))
            }
            _ => Err(Trouble::Usage("all of them must be KIND/NAME of one kind".to_owned())),
        }
    }

    fn of(kind: Option<&str>, name: &str) -> Done<Self> {
        if name.is_empty() {
            return Err(Trouble::Usage("the name is empty".to_owned()));
        }
        Ok(Self { resource: kind.map(Resource::parse).transpose()?, name: name.to_owned() })
    }

    /// The name of a server, where nothing else was said.
    pub(crate) fn server(self) -> Done<String> {
        match self.resource {
            None | Some(Resource::Servers) => Ok(self.name),
            Some(other) => Err(Trouble::Usage(format!("a server is needed, not a {}", other.singular()))),
        }
    }
}

/// Which of several instances of a server is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// The one that is worst off.
    Worst,
    /// The worst one of those that run, for what only a running one can do.
    WorstRunning,
}

/// The instance that is meant, by its id or by the name of its server.
pub(crate) async fn instance(client: &Client, target: &Target, telling: Telling) -> Done<InstanceView> {
    match target.resource {
        None => match of_server(client, &target.name, telling).await? {
            Some(instance) => Ok(instance),
            None => by_id_or_absent(client, &target.name).await,
        },
        Some(Resource::Instances) => match by_id(client, &target.name).await {
            Err(Trouble::Answer(problem)) if problem.status == 404 => {
                of_server(client, &target.name, telling).await?.ok_or(Trouble::Answer(problem))
            }
            other => other,
        },
        Some(Resource::Servers) => match of_server(client, &target.name, telling).await? {
            Some(instance) => Ok(instance),
            None => Err(no_instance(client, &target.name).await),
        },
        Some(other) => Err(Trouble::Usage(format!("a {} has no instances", other.singular()))),
    }
}

async fn by_id(client: &Client, id: &str) -> Done<InstanceView> {
    client.get(&format!("/instances/{}", segment(id)), &[]).await
}

async fn of_server(client: &Client, server: &str, telling: Telling) -> Done<Option<InstanceView>> {
    let list: ListView<InstanceView> = client.get("/instances", &[("server", server)]).await?;
    Ok(most_telling(list.items, telling))
}

async fn by_id_or_absent(client: &Client, name: &str) -> Done<InstanceView> {
    match by_id(client, name).await {
        Err(Trouble::Answer(problem)) if problem.status == 404 => Err(no_instance(client, name).await),
        other => other,
    }
}

/// Tells a server without instances from a name that nothing has.
async fn no_instance(client: &Client, name: &str) -> Trouble {
    match client.get::<serde_json::Value>(&format!("/servers/{}", segment(name)), &[]).await {
        Ok(_) => Trouble::NotFound(format!("server {name} has no instance: `mcpctl why {name}` says why")),
        Err(Trouble::Answer(problem)) if problem.status == 404 => {
            Trouble::NotFound(format!("there is no server or instance {name}"))
        }
        Err(trouble) => trouble,
    }
}

/// The instance that is worst off, the newest of several alike.
fn most_telling(mut instances: Vec<InstanceView>, telling: Telling) -> Option<InstanceView> {
    let runs = |instance: &InstanceView| instance.status == InstanceStatus::Running;
    if telling == Telling::WorstRunning && instances.iter().any(runs) {
        instances.retain(runs);
    }
    instances.into_iter().max_by_key(|instance| (badness(instance), instance.created_at))
}

/// The order in which `why` of the daemon picks an instance too.
fn badness(instance: &InstanceView) -> u8 {
    match (instance.status, instance.health_status) {
        (InstanceStatus::Error, _) => 6,
        (_, Some(HealthStatus::Unhealthy)) => 5,
        (InstanceStatus::Stopping, _) => 4,
        (InstanceStatus::Starting, _) => 3,
        (_, Some(HealthStatus::Unknown) | None) => 2,
        (_, Some(HealthStatus::Degraded)) => 1,
        (_, Some(HealthStatus::Healthy)) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn kinds_and_names_are_read_in_both_forms() {
        let named = |resource, name: &str| Target { resource, name: name.to_owned() };
        assert_eq!(Target::one(&words("demo")).unwrap(), named(None, "demo"));
        assert_eq!(Target::one(&words("srv/demo")).unwrap(), named(Some(Resource::Servers), "demo"));
        assert_eq!(
            Target::one(&words("Instance k3v9x2")).unwrap(),
            named(Some(Resource::Instances), "k3v9x2")
        );
        assert!(Target::one(&words("pod/demo")).is_err());
        assert!(Target::one(&words("srv/")).is_err());
        assert_eq!(Target::several(&words("srv a b")).unwrap(), (Resource::Servers, words("a b")));
        assert_eq!(Target::several(&words("srv/a servers/b")).unwrap(), (Resource::Servers, words("a b")));
        assert!(Target::several(&words("srv/a inst/b")).is_err());
        assert!(Target::several(&words("srv/a b")).is_err());
    }
}
