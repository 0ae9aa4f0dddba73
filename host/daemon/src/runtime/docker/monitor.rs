//! Watches the engine: hears which containers end, asks now and then whether it is there, and comes back to it when
//! it was away.

use std::time::Duration;

use bollard::models::{EventActor, EventMessage, SystemVersion};
use bollard::query_parameters::EventsOptions;
use futures::StreamExt as _;
use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::containers::{self, ASK_DEADLINE};
use super::engine::Engine;
use super::failure::within;
use super::labels;
use super::runs::{RunState, Sign};
use super::site::{Site, missed};
use crate::runtime::{RuntimeError, RuntimeEvent, RuntimeKind};

/// How often an engine is asked whether it is there. One that is frozen says nothing, so that the stream of its
/// events cannot tell; with [`PING_DEADLINE`] this is noticed within 7 s.
pub const PING_EVERY: Duration = Duration::from_secs(3);
/// How long it may take to say so; an idle one takes a millisecond, one that starts many containers half a second.
pub const PING_DEADLINE: Duration = Duration::from_secs(4);
/// How soon a lost engine is looked for again, at first: a restart of Docker takes about a second.
const RECONNECT_MIN: Duration = Duration::from_millis(200);
/// How soon where it stays away.
const RECONNECT_MAX: Duration = Duration::from_secs(5);
/// How soon where it answers and is lost again at once, as behind a proxy that refuses its events. Each return is told
/// to every instance, which keeps fifty events.
const FLAP_MAX: Duration = Duration::from_mins(1);
/// How long an engine has to be there until its next loss is the first one again: some pings.
const STEADY: Duration = Duration::from_secs(10);
/// How far back events are asked for, so that none is lost between two streams. An event that is heard twice is
/// harmless.
const EVENTS_OVERLAP_SECONDS: i64 = 5;
/// What an engine calls the end of a container, with the code as an attribute, and what it says before where the
/// container took too much memory.
const DEATH: &str = "die";
const EXIT_CODE: &str = "exitCode";
const OUT_OF_MEMORY: &str = "oom";
/// How long the return of an engine waits for the exits that were missed to be told before it.
const MISSED_DEADLINE: Duration = Duration::from_secs(5);

/// Watches for ever.
pub(super) async fn watch(site: &Site) {
    let mut pauses = Pauses::default();
    loop {
        let (session, began) = (Session { site }, Instant::now());
        let reason = words(session.last().await);
        let lasted = site.engine.is_seen().then(|| began.elapsed());
        lose(site, reason);
        sleep(pauses.after(lasted)).await;
    }
}

/// How long to wait before the next session.
struct Pauses {
    /// While it does not answer.
    away: Duration,
    /// While it answers and is lost again.
    flapping: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { away: RECONNECT_MIN, flapping: RECONNECT_MIN }
    }
}

impl Pauses {
    /// After a session that lasted so long, where the engine was seen in it.
    fn after(&mut self, lasted: Option<Duration>) -> Duration {
        let Some(lasted) = lasted else {
            self.away = (self.away * 2).min(RECONNECT_MAX);
            return self.away;
        };
        self.away = RECONNECT_MIN;
        self.flapping = if lasted < STEADY { (self.flapping * 2).min(FLAP_MAX) } else { RECONNECT_MIN };
        self.flapping
    }
}

fn lose(site: &Site, reason: String) {
    if site.engine.lose(reason.clone()) {
        tracing::warn!(engine = %site.engine.docker.endpoint(), reason, "the container engine does not answer");
        tell(site, RuntimeEvent::Away { kind: RuntimeKind::Docker, reason, at: site.engine.now() });
    }
}

fn tell(site: &Site, event: RuntimeEvent) {
    // Without a subscriber nobody wants to know.
    let _ = site.events.send(event);
}

/// What people read of why it is lost; its place is named beside it.
fn words(error: RuntimeError) -> String {
    match error {
        RuntimeError::EngineAway { reason, .. } => reason,
        RuntimeError::EngineSlow { seconds, .. } => format!("no answer within {seconds} s"),
        other => other.to_string(),
    }
}

/// From the first answer of the engine to its last.
struct Session<'a> {
    site: &'a Site,
}

impl Session<'_> {
    /// Lasts until the engine is lost; why it is.
    async fn last(&self) -> RuntimeError {
        let engine = &self.site.engine;
        let asked = within(&engine.docker, "ask its version", PING_DEADLINE, engine.docker.version());
        match asked.await {
            // The stream is opened before the comparison, so that nothing is missed between them.
            Ok(version) => tokio::select! {
                biased;
                error = self.listen() => error,
                error = self.attend(called(&version)) => error,
            },
            Err(error) => error,
        }
    }

    /// Hears the events until their stream ends.
    async fn listen(&self) -> RuntimeError {
        let engine = &self.site.engine;
        let mut events = engine.docker.events(Some(deaths(engine, &self.site.config.owner)));
        loop {
            let reason = match events.next().await {
                Some(Ok(event)) => {
                    self.hear(event);
                    continue;
                }
                Some(Err(error)) => error.to_string(),
                None => "it closed the stream of its events".to_owned(),
            };
            return RuntimeError::EngineAway { endpoint: engine.docker.endpoint().to_string(), reason };
        }
    }

    fn hear(&self, event: EventMessage) {
        let EventActor { id, attributes } = event.actor.unwrap_or_default();
        let Some(run) = id.and_then(|id| self.site.runs.find_by_container(&id)) else { return };
        let code = attributes.unwrap_or_default().get(EXIT_CODE).and_then(|code| code.parse().ok());
        let is_out_of_memory = event.action.as_deref() == Some(OUT_OF_MEMORY);
        run.sign(if is_out_of_memory { Sign::OutOfMemory } else { Sign::Died(code) });
    }

    /// Compares, tells, and then asks now and then.
    async fn attend(&self, name: String) -> RuntimeError {
        if let Err(error) = self.come_back(name).await {
            return error;
        }
        let engine = &self.site.engine;
        loop {
            tokio::select! {
                () = sleep(PING_EVERY) => {}
                () = engine.asked_to_look() => {}
            }
            if let Err(error) = engine.ping(PING_DEADLINE).await {
                return error;
            }
        }
    }

    /// Exits that were missed are told before the return, so that whoever hears of it finds nothing missing.
    async fn come_back(&self, name: String) -> Result<(), RuntimeError> {
        let (site, engine) = (self.site, &self.site.engine);
        let running = site.runs.running();
        let listed = engine.docker.list_containers(Some(containers::owned(&site.config.owner, None)));
        let listed = within(&engine.docker, "list containers", ASK_DEADLINE, listed).await?;
        tracing::info!(engine = %engine.docker.endpoint(), name, "the container engine answers");
        engine.sighted(name);
        for run in &running {
            run.sign(Sign::Look);
        }
        let missed: Vec<_> = missed(running, &containers::found(listed)).collect();
        join_all(missed.iter().map(|run| run.reaches(RunState::Exited, MISSED_DEADLINE))).await;
        tell(site, RuntimeEvent::Back { kind: RuntimeKind::Docker, at: engine.now() });
        Ok(())
    }
}

/// Asks for the ends of our containers.
fn deaths(engine: &Engine, owner: &str) -> EventsOptions {
    let since = engine.now().as_second().saturating_sub(EVENTS_OVERLAP_SECONDS).max(0);
    let mut filters = labels::filter(owner, None);
    filters.extend([
        ("type".to_owned(), vec!["container".to_owned()]),
        ("event".to_owned(), vec![DEATH.to_owned(), OUT_OF_MEMORY.to_owned()]),
    ]);
    EventsOptions { since: Some(since.to_string()), until: None, filters: Some(filters) }
}

/// What people call the engine.
fn called(version: &SystemVersion) -> String {
    let is_podman = version.components.iter().flatten().any(|part| part.name.contains("Podman"));
    let name = if is_podman { "Podman" } else { "Docker Engine" };
    format!("{name} {}", version.version.as_deref().unwrap_or("of an unknown version"))
}

#[cfg(test)]
mod tests {
    use bollard::models::SystemVersionComponents;

    use super::*;

    #[test]
    fn an_engine_that_flaps_is_told_ever_more_seldom_and_one_that_restarts_is_back_at_once() {
        let mut pauses = Pauses::default();
        let brief = Some(Duration::from_millis(5));
        let waited: Duration = (0..20).map(|_| pauses.after(brief)).sum();
        assert!(waited > Duration::from_mins(10), "twenty losses take {waited:?}");
        assert_eq!(pauses.after(brief), FLAP_MAX);
        assert_eq!(pauses.after(None), RECONNECT_MIN * 2, "one that stays away is looked for");
        for _ in 0..10 {
            assert!(pauses.after(None) <= RECONNECT_MAX);
        }
        assert_eq!(pauses.after(Some(STEADY)), RECONNECT_MIN);
        assert_eq!(pauses.after(brief), RECONNECT_MIN * 2);
    }

    #[test]
    fn an_engine_is_called_what_people_call_it() {
        let version = |component: &str, version: Option<&str>| {
            let component = SystemVersionComponents { name: component.to_owned(), ..Default::default() };
            let version = version.map(str::to_owned);
            SystemVersion { components: Some(vec![component]), version, ..SystemVersion::default() }
        };
        assert_eq!(called(&version("Engine", Some("20.10.24"))), "Docker Engine 20.10.24");
        assert_eq!(called(&version("Podman Engine", Some("5.2"))), "Podman 5.2");
        assert_eq!(called(&version("", None)), "Docker Engine of an unknown version");
    }
}
