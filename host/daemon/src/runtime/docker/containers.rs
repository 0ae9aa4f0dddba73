//! Requests about containers, each with a deadline, and only ever about our own.

use std::convert::Infallible;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{
    KillContainerOptions, ListContainersOptions, RemoveContainerOptions, StopContainerOptions,
};
use mcpd_core::name::InstanceId;
use mcpd_core::time::between;
use tokio::time::sleep;

use super::engine::Engine;
use super::failure::status;
use super::labels;
use super::seen::Seen;
use crate::runtime::{Presence, RuntimeError};

/// For what an engine knows without looking at a disk.
pub(super) const ASK_DEADLINE: Duration = Duration::from_secs(10);
/// For what it does with a disk and the kernel: a busy machine takes seconds for it.
pub(super) const WORK_DEADLINE: Duration = Duration::from_mins(1);
/// How much longer than its grace a stop may take: the kernel kills in milliseconds, an engine that is busy takes
/// its time to notice.
const STOP_MARGIN: Duration = Duration::from_secs(20);
/// How long after its start a container may not have heard that it is to end: its init has its handlers after a few
/// milliseconds, and on a busy machine not for a long while.
const DEAF_FOR: Duration = Duration::from_secs(1);
/// When it is told again.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How often a removal that somebody else began is looked at.
const REMOVAL_POLL: Duration = Duration::from_millis(20);

/// A container of ours.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) instance: InstanceId,
    pub(super) presence: Presence,
}

/// Our containers of one instance, or all. There is one for an instance, unless somebody renamed it.
pub(super) async fn list(
    engine: &Engine,
    owner: &str,
    instance: Option<&InstanceId>,
    limit: Duration,
) -> Result<Vec<Found>, RuntimeError> {
    let listed = engine.docker.list_containers(Some(owned(owner, instance)));
    Ok(found(engine.ask("list containers", limit, listed).await?))
}

/// What asks for them.
pub(super) fn owned(owner: &str, instance: Option<&InstanceId>) -> ListContainersOptions {
    let filters = Some(labels::filter(owner, instance));
    ListContainersOptions { all: true, filters, ..ListContainersOptions::default() }
}

/// Those of the engine's list that can be ours.
pub(super) fn found(listed: Vec<ContainerSummary>) -> Vec<Found> {
    let found = |container: ContainerSummary| {
        let instance = labels::find_instance(&container.labels.unwrap_or_default())?;
        Some(Found { id: container.id?, instance, presence: presence(container.state) })
    };
    listed.into_iter().filter_map(found).collect()
}

fn presence(state: Option<ContainerSummaryStateEnum>) -> Presence {
    use ContainerSummaryStateEnum::{CREATED, PAUSED, RESTARTING, RUNNING, STOPPING};
    match state {
        Some(CREATED) => Presence::Starting,
        // One that is paused has not ended; that it does not answer is for the checks to say.
        Some(RUNNING | PAUSED | RESTARTING | STOPPING) => Presence::Running,
        _ => Presence::Ending,
    }
}

/// What the engine knows of a container; `None` where it is gone.
pub(super) async fn inspect(engine: &Engine, id: &str) -> Result<Option<Seen>, RuntimeError> {
    let doing = format!("inspect container {}", short(id));
    let seen = async { engine.docker.inspect_container(id, None).await.map(Seen::from) };
    engine.find(&doing, ASK_DEADLINE, seen).await
}

/// Asks the server to end, and kills it after `grace`; returns when it has ended.
pub(super) async fn stop(engine: &Engine, id: &str, grace: Duration) -> Result<(), RuntimeError> {
    // The engine counts in seconds; a grace is never cut.
    let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
    let options = StopContainerOptions { t: i32::try_from(seconds).ok(), ..StopContainerOptions::default() };
    let doing = format!("stop container {}", short(id));
    let stopped = engine.docker.stop_container(id, Some(options));
    tokio::select! {
        stopped = engine.find(&doing, grace + STOP_MARGIN, stopped) => stopped.map(drop),
        never = ask_again(engine, id) => match never {},
    }
}

/// Says a second time to a container that had only just been started that it is to end: the kernel drops a signal
/// to PID 1 for as long as that has no handler, and the grace would pass in vain. An older one has heard, and may
/// take a second word for an order to hurry.
async fn ask_again(engine: &Engine, id: &str) -> Infallible {
    let asked_at = engine.now();
    sleep(ASKED_AGAIN_AFTER).await;
    let seen = inspect(engine, id).await.ok().flatten().filter(|seen| seen.exit.is_none());
    let since = seen.and_then(|seen| seen.since);
    if since.is_some_and(|since| between(since, asked_at) < DEAF_FOR) {
        let doing = format!("stop container {}", short(id));
        let options = KillContainerOptions { signal: "TERM".to_owned() };
        // Where this fails the grace decides, as it would have without it.
        let _ = engine.find(&doing, ASK_DEADLINE, engine.docker.kill_container(id, Some(options))).await;
    }
    std::future::pending().await
}

/// Removes a container, running or not, and the volumes that its image made; returns when it is gone.
pub(super) async fn discard(engine: &Engine, id: &str) -> Result<(), RuntimeError> {
    let doing = format!("remove container {}", short(id));
    engine.ask(&doing, WORK_DEADLINE, remove(engine, id)).await
}

async fn remove(engine: &Engine, id: &str) -> Result<(), Error> {
    loop {
        let options = RemoveContainerOptions { force: true, v: true, ..RemoveContainerOptions::default() };
        match engine.docker.remove_container(id, Some(options)).await {
            Err(error) if status(&error) == Some(404) => return Ok(()),
            // Somebody else removes it just now; their success is waited for, as is the end of ours.
            Err(error) if status(&error) == Some(409) => sleep(REMOVAL_POLL).await,
            Err(error) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
}

/// An id as people know it.
pub(super) fn short(id: &str) -> &str {
    /// As the engine's own tools show it.
    const SHORT_CHARACTERS: usize = 12;
    id.get(..SHORT_CHARACTERS).unwrap_or(id)
}
