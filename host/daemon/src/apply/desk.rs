//! The one place where desired state is changed: one change after the other, each as a whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use mcpd_api::FieldError;
use mcpd_api::manifest::{self, Context, Kind, Manifest};
use mcpd_api::patch::merge;
use mcpd_api::problem::{Code, Problem};
use mcpd_api::view::{ApplyAction, ApplyAnswer};
use mcpd_core::env::{EnvEntry, EnvSource, SecretRef};
use mcpd_core::name::ServerName;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use super::draft::{Drafting, in_order, removal, removal_of};
use super::plan::{Given, Step, plan};
use super::volumes::refuse_volumes;
use super::{ApplyError, Existing, LeftOut, Mode, Outcome, Request};
use crate::clock::Clock;
use crate::http::engine::Engine;
use crate::secrets::{Resolver, SEALED};
use crate::state::Board;
use crate::store::{Change, Expected, Object, Store, StoreError};
use crate::withheld::Withheld;

/// Changes desired state. Cheap to clone.
///
/// A change that was begun is finished, also when its client goes away: what is in the store and what the
/// engine knows would differ otherwise.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Parts>);

/// What the desk works with.
#[derive(Debug)]
pub struct Parts {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Who is told.
    pub engine: Arc<dyn Engine>,
    /// What the engine knows.
    pub board: Arc<Board>,
    /// Seals values and compares them.
    pub resolver: Arc<Resolver>,
    /// The backend of secrets that name none.
    pub default_backend: String,
    /// What no container is given.
    pub withheld: Arc<[Withheld]>,
    /// Time.
    pub clock: Clock,
    /// The changes under way.
    pub tasks: TaskTracker,
    /// Held from the look at what is there until the engine is told of what has changed.
    pub turn: Mutex<()>,
}

impl Desk {
    /// A desk over these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Carries a request out. What is wrong with single objects stands in the outcome, and then nothing was
    /// written.
    pub async fn carry_out(&self, request: Request) -> Result<Outcome, ApplyError> {
        let parts = Arc::clone(&self.0);
        self.0.tasks.spawn(async move { parts.carry_out(request).await }).await?
    }

    /// Removes a server, a secret or a secret backend. A server goes on to be stopped first.
    pub async fn delete(&self, kind: Kind, name: &str, expected: Expected) -> Result<(), ApplyError> {
        if (kind, name) == (Kind::SecretBackend, SEALED) {
            let words = format!("secret backend {SEALED} is built in and cannot be removed");
            return Err(Problem::new(Code::InUse, words).into());
        }
        let Some(change) = removal_of(kind, name, expected) else { return Ok(()) };
        self.make(change).await
    }

    /// Has all instances of a server replaced.
    pub async fn restart(&self, server: &ServerName) -> Result<(), ApplyError> {
        self.make(Change::RestartServer(server.clone())).await
    }

    async fn make(&self, change: Change) -> Result<(), ApplyError> {
        let parts = Arc::clone(&self.0);
        let made = self.0.tasks.spawn(async move {
            let _turn = parts.turn.lock().await;
            parts.write(vec![change]).await
        });
        made.await?
    }
}

impl Parts {
    async fn carry_out(&self, request: Request) -> Result<Outcome, ApplyError> {
        let _turn = self.turn.lock().await;
        let existing = Existing::read(&*self.store).await?;
        let task = Task::of(request, &existing)?;
        let same_values = self.same_values(&task.manifests, &existing).await;
        let containers = self.engine.look_for_containers().await;
        let refused_volumes = refuse_volumes(&task.manifests, &self.withheld).await;
        let steps = plan(&Given {
            manifests: &task.manifests,
            existing: &existing,
            default_backend: &self.default_backend,
            same_values: &same_values,
            demanded: task.demanded,
            left_out: task.left_out,
            containers: &containers,
            refused_volumes: &refused_volumes,
        });
        let problem = steps.iter().find_map(|step| step.problem.clone());
        let is_written = task.mode == Mode::Write && problem.is_none();
        if is_written {
            self.write(self.changes(&task, &steps, &existing).await?).await?;
            self.tell_what_was_missed(&steps).await?;
        }
        let items = steps.iter().map(Step::item).collect();
        Ok(Outcome { answer: ApplyAnswer { items, dry_run: !is_written }, problem })
    }

    /// The secrets of the list whose values their backend holds already. What cannot be read is not the
    /// same: it is written anew.
    async fn same_values(&self, manifests: &[Manifest], existing: &Existing) -> BTreeSet<String> {
        let mut same = BTreeSet::new();
        for manifest in manifests {
            let Manifest::Secret(secret) = manifest else { continue };
            let (Some(data), Some(row)) = (&secret.data, existing.find_secret(&secret.name)) else {
                continue;
            };
            if !row.keys.iter().eq(data.keys()) {
                continue;
            }
            let entries: Vec<_> = data.keys().map(|key| entry(&secret.name, key)).collect();
            let Ok(held) = self.resolver.resolve(&entries).await else { continue };
            let held = held.env.variables.iter().map(|(_, value)| value.expose());
            if held.eq(data.values().map(manifest::SecretText::expose)) {
                same.insert(secret.name.clone());
            }
        }
        same
    }

    async fn changes(
        &self,
        task: &Task,
        steps: &[Step],
        existing: &Existing,
    ) -> Result<Vec<Change>, ApplyError> {
        let drafting = Drafting {
            resolver: &self.resolver,
            existing,
            default_backend: &self.default_backend,
            applied: task.applied,
        };
        let mut changes = Vec::new();
        for (step, manifest) in steps.iter().zip(&task.manifests).filter(|(step, _)| step.is_change()) {
            changes.push(drafting.put(step, manifest).await?);
        }
        let pruned = steps.iter().filter(|step| step.action == ApplyAction::Pruned);
        changes.extend(pruned.filter_map(removal));
        Ok(in_order(changes))
    }

    /// Writes all of it or nothing, and tells the engine.
    async fn write(&self, changes: Vec<Change>) -> Result<(), ApplyError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.store.write(&changes, self.clock.now()).await?;
        for change in changes {
            match change.object() {
                Object::Server(name) => self.tell_of_server(&name).await?,
                Object::Secret(name) => self.engine.secret_changed(&name),
                Object::Backend(name) => self.engine.backend_changed(&name).await,
            }
        }
        Ok(())
    }

    async fn tell_of_server(&self, name: &str) -> Result<(), ApplyError> {
        if let Some(row) = self.store.find_server(&name.into()).await? {
            self.engine.server_changed(&row)?;
        }
        Ok(())
    }

    /// A write that ended without an answer from the store may have been made all the same. When it is
    /// tried again there is nothing to write, but the engine is yet to be told.
    async fn tell_what_was_missed(&self, steps: &[Step]) -> Result<(), ApplyError> {
        let unchanged = steps.iter().filter(|step| step.kind == Kind::Server && !step.is_change());
        for step in unchanged {
            let known = self.board.find_server(&step.name).map(|server| server.desired().version);
            if known.map(Expected::Version) != Some(step.expected) {
                self.tell_of_server(&step.name).await?;
            }
        }
        Ok(())
    }
}

/// A request that was read against what is there.
struct Task {
    manifests: Vec<Manifest>,
    demanded: Expected,
    mode: Mode,
    left_out: LeftOut,
    applied: bool,
}

impl Task {
    fn of(request: Request, existing: &Existing) -> Result<Self, ApplyError> {
        let single = |manifest: Manifest, demanded| Self {
            manifests: vec![manifest],
            demanded,
            mode: Mode::Write,
            left_out: LeftOut::Keep,
            applied: false,
        };
        match request {
            Request::Apply { manifests, mode, left_out } => {
                Ok(Self { manifests, demanded: Expected::Any, mode, left_out, applied: true })
            }
            Request::Put(manifest, demanded) => Ok(single(*manifest, demanded)),
            Request::Patch(name, patch, demanded) => Ok(single(patched(&name, &patch, existing)?, demanded)),
        }
    }
}

fn patched(name: &ServerName, patch: &Value, existing: &Existing) -> Result<Manifest, ApplyError> {
    let row = existing.find_server(name.as_str());
    let row = row.ok_or_else(|| StoreError::NotFound(Object::Server(name.to_string())))?;
    let mut value: Value = serde_json::from_str(&row.manifest).map_err(|_| StoreError::Corrupt {
        doing: format!("patch server {name}"),
        what: "manifest",
        value: row.manifest.clone(),
    })?;
    merge(&mut value, patch);
    let context = Context::named(Kind::Server, name.as_str());
    manifest::parse(&value, &context).map_err(|mistakes| invalid(&context, mistakes).into())
}

/// The answer to a manifest with mistakes.
pub(crate) fn invalid(context: &Context, mistakes: Vec<FieldError>) -> Problem {
    let object = match (context.kind, &context.name) {
        (Some(kind), Some(name)) => format!("{kind} {name}"),
        (Some(kind), None) => format!("the {kind}"),
        (None, _) => "the list".to_owned(),
    };
    let count = match mistakes.len() {
        1 => "one mistake".to_owned(),
        several => format!("{several} mistakes"),
    };
    Problem::invalid(format!("{object} has {count}"), mistakes)
}

fn entry(secret: &str, key: &str) -> EnvEntry {
    let reference = SecretRef { name: secret.to_owned(), key: key.to_owned(), allow_empty: true };
    EnvEntry { name: key.to_owned(), source: EnvSource::Secret(reference) }
}
