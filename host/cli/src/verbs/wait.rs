//! `mcpctl wait`: waits until a condition of a server or an instance holds.

use std::time::Duration;

use jiff::SignedDuration;
use mcpd_api::view::{Condition, ConditionStatus, ConditionType, InstanceView, ServerView, WhyView};

use super::why;
use crate::Session;
use crate::client::segment;
use crate::output::age;
use crate::resource::Resource;
use crate::target::{self, Target, Telling};
use crate::trouble::{Done, Trouble};

/// Between two looks: short for a person, long for the daemon.
const LOOK_EVERY: Duration = Duration::from_millis(250);

const CONDITION_HELP: &str =
    "What to wait for: condition=Ready, Functional, Connected, Running or SecretsResolved";

/// Arguments of `wait`.
#[derive(clap::Args)]
#[command(after_help = "\
A server is Ready when all its replicas are, and all of them of its present spec. The exit code is 6 \
when the time runs out.

Examples:
  mcpctl wait demo --for=condition=Ready --timeout 60s
  mcpctl wait instance/k3v9x2 --for=condition=Functional")]
pub(crate) struct Args {
    /// A server, or an instance
    #[arg(required = true, num_args = 1..=2, value_name = "SERVER")]
    target: Vec<String>,
    #[arg(help = CONDITION_HELP, long = "for", value_name = "CONDITION", default_value = "condition=Ready", value_parser = condition)]
    condition: ConditionType,
    /// How long
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    timeout: Duration,
}

/// What is waited for, once it is known which of the two it is.
enum Subject {
    Server(String),
    Instance(String),
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    let subject = find(&Target::one(&args.target)?, session).await?;
    let words = match &subject {
        Subject::Server(name) => format!("server/{name}"),
        Subject::Instance(id) => format!("instance/{id}"),
    };
    let held = tokio::time::timeout(args.timeout, until_it_holds(&subject, args.condition, session)).await;
    if let Ok(held) = held {
        held?;
        return session.output.line(&format!("{words} is {}", args.condition));
    }
    let (waited, reason) = (age::precise(args.timeout), reason(&subject, session).await);
    Err(Trouble::NotPassed(format!("{words} is not {} after {waited}{reason}", args.condition)))
}

/// A duration such as `60s`, `1m30s` or `250ms`; a plain number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().map(Duration::try_from_secs_f64);
    let parsed = match seconds {
        Some(parsed) => parsed.ok(),
        None => text.parse::<SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok()),
    };
    parsed.ok_or_else(|| format!("`{text}` is no duration: write 60s, 1m30s or 250ms"))
}

fn condition(text: &str) -> Result<ConditionType, String> {
    let name = text.strip_prefix("condition=").unwrap_or(text);
    let known = [
        ConditionType::Ready,
        ConditionType::Functional,
        ConditionType::Connected,
        ConditionType::Running,
        ConditionType::SecretsResolved,
    ];
    let found = known.into_iter().find(|condition| condition.as_str().eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|condition| condition.as_str()).collect();
        format!("there is no condition `{name}`, only {}", names.join(", "))
    })
}

async fn find(target: &Target, session: &Session) -> Done<Subject> {
    if target.resource == Some(Resource::Instances) {
        let instance = target::instance(&session.client, target, Telling::Worst).await?;
        return Ok(Subject::Instance(instance.id));
    }
    let name = target.clone().server()?;
    match server(&name, session).await {
        Err(Trouble::Answer(problem)) if problem.status == 404 && target.resource.is_none() => {
            let instance = target::instance(&session.client, target, Telling::Worst).await?;
            Ok(Subject::Instance(instance.id))
        }
        other => other.map(|_| Subject::Server(name)),
    }
}

async fn until_it_holds(subject: &Subject, condition: ConditionType, session: &Session) -> Done {
    loop {
        let holds = match subject {
            Subject::Server(name) => server_holds(&server(name, session).await?, condition),
            Subject::Instance(id) => is_true(&instance(id, session).await?.conditions, condition),
        };
        if holds {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Ready and Functional are counted, so that an old replica does not answer for a new spec.
fn server_holds(view: &ServerView, condition: ConditionType) -> bool {
    let wanted = view.spec().map_or(0, |spec| spec.replicas);
    let status = &view.status;
    let all = |count: u32| wanted > 0 && count >= wanted && status.updated_replicas >= wanted;
    match condition {
        ConditionType::Ready => all(status.ready_replicas),
        ConditionType::Functional => all(status.verified_replicas),
        other => is_true(&status.conditions, other),
    }
}

fn is_true(conditions: &[Condition], wanted: ConditionType) -> bool {
    conditions
        .iter()
        .any(|condition| condition.condition == wanted && condition.status == ConditionStatus::True)
}

async fn server(name: &str, session: &Session) -> Done<ServerView> {
    session.client.get(&format!("/servers/{}", segment(name)), &[]).await
}

async fn instance(id: &str, session: &Session) -> Done<InstanceView> {
    session.client.get(&format!("/instances/{}", segment(id)), &[]).await
}

/// Why it does not hold, where the daemon can say so.
async fn reason(subject: &Subject, session: &Session) -> String {
    let server = match subject {
        Subject::Server(name) => name.clone(),
        Subject::Instance(id) => match instance(id, session).await {
            Ok(instance) => instance.server,
            Err(_) => return String::new(),
        },
    };
    let why = why::of_server(&server, session).await.ok();
    let why = why.and_then(|value| serde_json::from_value::<WhyView>(value).ok());
    why.map(|why| format!(": {}", why.sentence)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_usual_form() {
        let ms = |text: &str| duration(text).unwrap().as_millis();
        assert_eq!(
            [ms("60s"), ms("1m30s"), ms("250ms"), ms("5"), ms("0.5")],
            [60_000, 90_000, 250, 5_000, 500]
        );
        assert!(["", "soon", "-1s", "-1", "NaN", "1e300"].into_iter().all(|text| duration(text).is_err()));
    }

    #[test]
    fn conditions_are_read_with_and_without_their_prefix() {
        assert_eq!(condition("condition=Ready"), Ok(ConditionType::Ready));
        assert_eq!(condition("functional"), Ok(ConditionType::Functional));
        assert!(condition("condition=Happy").unwrap_err().contains("Ready, Functional"));
    }
}
