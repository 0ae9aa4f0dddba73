//! What people did to the servers, what of it was acknowledged, and so what has to be there.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use super::chance::Chance;
use crate::harness::{Answer, Daemon, contained, with};

/// The server that never runs; nobody changes it, so its attempts count up for ever.
const FAILING: &str = "failing";
/// Few, so that a round is short, and several, so that they are in different states.
const NAMES: [&str; 3] = ["one", "two", "three"];
const REPLICAS_MAX: u64 = 2;
/// Between two changes.
const PAUSE_MS_MAX: u64 = 300;

/// What a server was last asked to be; none where it was deleted.
type Wanted = Option<(u64, u64)>;

/// Names, with replicas and the number of their spec.
#[derive(Default)]
pub(super) struct People {
    acknowledged: BTreeMap<&'static str, Wanted>,
    /// Asked for when mcpd was killed: it may be so, or not.
    in_flight: Option<(&'static str, Wanted)>,
    specs: u64,
    /// Of each instance of [`FAILING`], how often that was tried when somebody looked last.
    attempts: BTreeMap<String, u64>,
}

impl People {
    /// Applies, scales, changes and deletes, until it is dropped.
    pub(super) async fn change(&mut self, daemon: &Daemon, chance: &mut Chance) {
        self.keep_one_failing(daemon).await;
        loop {
            let name = NAMES[usize::try_from(chance.below(3)).unwrap()];
            let current = self.acknowledged.get(name).copied().flatten();
            let wanted = match (chance.below(4), current) {
                (0, Some(_)) => None,
                (1 | 2, Some((replicas, _))) => Some((replicas, self.next_spec())),
                (_, Some((_, spec))) => Some((chance.below(REPLICAS_MAX + 1), spec)),
                (_, None) => Some((1 + chance.below(REPLICAS_MAX), self.next_spec())),
            };
            self.ask(daemon, name, wanted).await;
            self.attempts = attempts(daemon).await;
            tokio::time::sleep(chance.below_ms(PAUSE_MS_MAX)).await;
        }
    }

    fn next_spec(&mut self) -> u64 {
        self.specs += 1;
        self.specs
    }

    async fn keep_one_failing(&self, daemon: &Daemon) {
        let server = contained(FAILING, daemon.place.dock());
        put(daemon, FAILING, with(server, "args", json!(["--exit", "3"]))).await;
    }

    async fn ask(&mut self, daemon: &Daemon, name: &'static str, wanted: Wanted) {
        self.in_flight = Some((name, wanted));
        let done = match wanted {
            Some((replicas, spec)) => put(daemon, name, manifest(daemon, name, replicas, spec)).await,
            None => done(&daemon.send(daemon.request(Method::DELETE, &path(name))).await),
        };
        self.in_flight = None;
        if done == Done::Acknowledged {
            self.acknowledged.insert(name, wanted);
        }
    }

    /// Finds out what became of the change that was under way.
    ///
    /// # Panics
    /// When something is neither what was acknowledged nor what was asked for last.
    pub(super) async fn look(&mut self, daemon: &Daemon) {
        let in_flight = self.in_flight.take();
        for name in NAMES {
            let acknowledged = self.acknowledged.get(name).copied().flatten();
            let found = find(daemon, name).await;
            let asked = in_flight.filter(|(asked, _)| *asked == name).map(|(_, wanted)| wanted);
            assert!(
                found == acknowledged || asked == Some(found),
                "{name} is {found:?}; {acknowledged:?} was acknowledged, {asked:?} was asked for"
            );
            if let Some(asked) = asked.filter(|asked| *asked == found) {
                self.acknowledged.insert(name, asked);
            }
        }
    }

    /// # Panics
    /// When an instance has fewer attempts than it was seen with.
    pub(super) async fn miss_no_attempt(&mut self, daemon: &Daemon, round: u64) {
        let now = attempts(daemon).await;
        for (instance, seen) in &self.attempts {
            let kept = now.get(instance);
            assert!(kept >= Some(seen), "round {round}: {instance} had {seen} attempts, now {kept:?}");
        }
        self.attempts = now;
    }

    /// Which server has not as many running containers as it should have; none where all have.
    pub(super) fn missing(&self, running: &BTreeMap<&str, usize>, views: &[Value]) -> Option<String> {
        NAMES.iter().find_map(|name| {
            let wanted = self.acknowledged.get(name).copied().flatten().map_or(0, |(replicas, _)| replicas);
            let running = running.get(name).copied().unwrap_or_default();
            let known: Vec<_> = views.iter().filter(|view| view["server"] == *name).collect();
            let is_right = u64::try_from(running) == Ok(wanted) && known.len() == running;
            (!is_right).then(|| format!("{name}: {running} run, {wanted} are wanted: {known:#?}"))
        })
    }
}

async fn attempts(daemon: &Daemon) -> BTreeMap<String, u64> {
    let views = daemon.instances(FAILING).await;
    let count =
        |view: &Value| Some((view["id"].as_str()?.to_owned(), view["metadata"]["attemptCount"].as_u64()?));
    views.iter().filter_map(count).collect()
}

fn manifest(daemon: &Daemon, name: &str, replicas: u64, spec: u64) -> Value {
    let server = with(contained(name, daemon.place.dock()), "replicas", json!(replicas));
    with(server, "args", json!(["--spec", spec.to_string()]))
}

#[derive(PartialEq)]
enum Done {
    Acknowledged,
    /// The server of that name is still being deleted.
    Refused,
}

fn done(answer: &Answer) -> Done {
    assert!(answer.status < 300 || answer.status == 409, "{answer:?}");
    if answer.status < 300 { Done::Acknowledged } else { Done::Refused }
}

fn path(name: &str) -> String {
    format!("/api/v1/servers/{name}")
}

async fn put(daemon: &Daemon, name: &str, manifest: Value) -> Done {
    let request = daemon.request(Method::PUT, &path(name)).header("content-type", "application/json");
    done(&daemon.send(request.body(manifest.to_string())).await)
}

/// What is wanted of a server now. One that is being deleted is shown until its instances are proved gone.
async fn find(daemon: &Daemon, name: &str) -> Wanted {
    let answer = daemon.get(&format!("/servers/{name}")).await;
    let is_going = answer.body["rollout"].as_str().is_some_and(|words| words.starts_with("being deleted"));
    let replicas = answer.body["replicas"].as_u64();
    let spec = answer.body["args"][1].as_str().and_then(|spec| spec.parse().ok());
    (answer.status == 200 && !is_going).then(|| (replicas.unwrap_or(1), spec.unwrap()))
}
