//! Starts one instance: image, network, container, attachment, and then the container's start.
//!
//! It runs in a task of its own, so that a caller who goes away leaves nothing: between two steps it is asked whether
//! the start is still wanted, and what was made by then is removed. A step itself is not broken off, unless the engine
//! is lost: what it does with half a request nobody knows. The pull alone may be, which leaves nothing but layers.

use std::net::Ipv4Addr;
use std::time::Duration;

use bollard::query_parameters::CreateContainerOptions;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::containers::{self, WORK_DEADLINE};
use super::create::Order;
use super::failure::status;
use super::images;
use super::keeper::Keeper;
use super::names::container_name;
use super::runs::Sign;
use super::seen::Seen;
use super::streams::{Attached, Over, attach};
use crate::runtime::{Container, Handle, Progress, RuntimeError, Started, Streams};

/// What marks a handle as one of a container; the rest is its id.
pub const HANDLE_PREFIX: &str = "docker:";

/// How often a name is asked for that is ours to have, and how long between: an engine that is busy with the create
/// of an mcpd that was killed meanwhile needs a moment.
const NAME_TRIES_MAX: usize = 20;
const NAME_PAUSE: Duration = Duration::from_millis(100);

/// Tells the one who asked for the start.
pub(super) type Answer = oneshot::Sender<Result<Started, RuntimeError>>;

/// Starts it, answers, and keeps the run to its end.
pub(super) async fn start(keeper: Keeper, order: Order, progress: Progress, answer: Answer) {
    let mut start = Start { keeper, order, progress, answer };
    let begun = start.begin().await;
    let Start { keeper, answer, order, .. } = start;
    // The environment is not kept for the life of the run.
    drop(order);
    match begun {
        Ok((id, started)) => {
            keeper.report_running();
            if answer.send(Ok(started)).is_ok() {
                return keeper.keep(&id).await;
            }
            remove(&keeper, &id).await;
        }
        Err(error) => {
            // First gone, then told: who hears of it may start the next.
            drop(keeper);
            let _ = answer.send(Err(error));
        }
    }
}

/// A run from its container, as the rest of mcpd sees it.
pub(super) fn started(run: u64, id: String, seen: &Seen, attached: Attached) -> Started {
    let handle = Handle(format!("{HANDLE_PREFIX}{id}"));
    let container = Some(Container { id, image: seen.image.clone(), port: seen.port });
    // The engine's process is the init, and may be in a virtual machine.
    Started { run, handle, pid: None, container, streams: streams(seen, attached) }
}

/// What the connection to a server is opened over.
pub(super) fn streams(seen: &Seen, attached: Attached) -> Streams {
    match seen.port {
        Some(port) => Streams::Http { address: (Ipv4Addr::LOCALHOST, port).into() },
        None => Streams::Other { stdin: attached.stdin, stdout: attached.stdout },
    }
}

/// Ends a line that another mcpd may have left half written, so that the next one is read as it is.
pub(super) async fn end_line(stdin: &mut (dyn AsyncWrite + Send + Unpin)) {
    // A stdin that does not take it is found out by the handshake.
    let _ = stdin.write_all(b"\n").await;
    let _ = stdin.flush().await;
}

struct Start {
    keeper: Keeper,
    order: Order,
    progress: Progress,
    answer: Answer,
}

impl Start {
    async fn begin(&mut self) -> Result<(String, Started), RuntimeError> {
        self.ensure_image().await?;
        self.keeper.site.network.ensure(&self.keeper.site.engine).await?;
        self.still_wanted()?;
        let id = self.create().await?;
        self.keeper.run().assign_container(&id);
        match self.run(&id).await {
            Ok(started) => Ok((id, started)),
            Err(error) => {
                remove(&self.keeper, &id).await;
                Err(error)
            }
        }
    }

    async fn ensure_image(&mut self) -> Result<(), RuntimeError> {
        let (engine, image) = (&self.keeper.site.engine, &self.order.image);
        let credentials = image.credentials.as_ref();
        let ensured = images::ensure(&engine.docker, &image.name, image.pull, credentials, &self.progress);
        tokio::select! {
            ensured = engine.attend(ensured) => ensured,
            () = self.answer.closed() => Err(unwanted(&self.keeper)),
            () = self.keeper.run().until_let_go() => Err(unwanted(&self.keeper)),
        }
    }

    /// Creates the container. The engine gives its name once; where it is taken by what an earlier start of ours
    /// left behind, that is removed first.
    async fn create(&self) -> Result<String, RuntimeError> {
        let (engine, image) = (&self.keeper.site.engine, &self.order.image.name);
        let doing = format!("create a container of image {image}");
        let name = container_name(&self.keeper.site.config.owner, &self.keeper.instance);
        for _ in 0..NAME_TRIES_MAX {
            let created = async {
                match self.ask_to_create(&name).await {
                    Err(error) if status(&error) == Some(409) => Ok(None),
                    created => created.map(Some),
                }
            };
            if let Some(id) = engine.ask(&doing, WORK_DEADLINE, created).await? {
                return Ok(id);
            }
            if !self.is_name_free(&name).await? {
                break;
            }
            sleep(NAME_PAUSE).await;
        }
        engine.ask(&doing, WORK_DEADLINE, self.ask_to_create(&name)).await
    }

    async fn ask_to_create(&self, name: &str) -> Result<String, bollard::errors::Error> {
        let options =
            CreateContainerOptions { name: Some(name.to_owned()), ..CreateContainerOptions::default() };
        let docker = &self.keeper.site.engine.docker;
        Ok(docker.create_container(Some(options), self.order.body.clone()).await?.id)
    }

    /// Whether the name can be had: who has it is ours, and removed, or is made or removed in this moment. A
    /// foreign container keeps it.
    async fn is_name_free(&self, name: &str) -> Result<bool, RuntimeError> {
        let (site, instance) = (&self.keeper.site, &self.keeper.instance);
        let Some(seen) = containers::inspect(&site.engine, name).await? else { return Ok(true) };
        if !seen.is_owned_by(&site.config.owner) {
            return Ok(false);
        }
        if seen.exit.is_none() {
            return Err(RuntimeError::StillThere { instance: instance.clone() });
        }
        containers::discard(&site.engine, &seen.id).await?;
        Ok(true)
    }

    /// Attaches before the start, so that no word is lost; then starts.
    async fn run(&self, id: &str) -> Result<Started, RuntimeError> {
        self.still_wanted()?;
        let (keeper, image) = (&self.keeper, &self.order.image.name);
        let engine = &keeper.site.engine;
        let over = if self.order.port.is_some() { Over::LogsOnly } else { Over::Stdio };
        let attached = attach(&engine.docker, id, keeper.book.clone(), over);
        let attached = engine.attend(attached).await?;
        keeper.run().replace_attachment(attached.ended.clone());
        let doing = format!("start image {image}");
        engine.ask(&doing, WORK_DEADLINE, engine.docker.start_container(id, None)).await?;
        self.still_wanted()?;
        let gone = || RuntimeError::CannotStart { program: image.clone(), reason: "it is gone".to_owned() };
        let seen = containers::inspect(engine, id).await?.ok_or_else(gone)?;
        if self.order.port.is_some() && seen.port.is_none() {
            let unpublished = || "the engine published no port".to_owned();
            let reason = seen.exit.map_or_else(unpublished, |exit| exit.to_string());
            return Err(RuntimeError::CannotStart { program: image.clone(), reason });
        }
        if seen.exit.is_some() {
            // It ran, and its end is told like any other.
            keeper.run().sign(Sign::Look);
        }
        Ok(started(keeper.run().number, id.to_owned(), &seen, attached))
    }

    fn still_wanted(&self) -> Result<(), RuntimeError> {
        let is_unwanted = self.answer.is_closed() || self.keeper.run().is_let_go();
        if is_unwanted { Err(unwanted(&self.keeper)) } else { Ok(()) }
    }
}

fn unwanted(keeper: &Keeper) -> RuntimeError {
    RuntimeError::StoppedWhileStarting { instance: keeper.instance.clone() }
}

/// Removes what a start made that failed. Where the engine does not let it, the next attempt finds it.
async fn remove(keeper: &Keeper, id: &str) {
    if let Err(error) = containers::discard(&keeper.site.engine, id).await {
        tracing::warn!(instance = %keeper.instance, %error, "a container of a failed start stays for now");
    }
}
