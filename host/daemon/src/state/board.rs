//! All servers and instances, found by name, with word of every change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use mcpd_core::decide::Plan;
use mcpd_core::name::{InstanceId, ServerName};
use tokio::sync::{Notify, broadcast};

use super::{Cell, Desired};

/// Changes a slow watcher may lag behind before it is told to look anew.
const CHANGES_BUFFERED: usize = 1024;

/// Something on the board is not what it was; it says where to look and never what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A server, or what follows from it.
    Server(ServerName),
    /// An instance, or what follows from it.
    Instance(InstanceId),
    /// An instance is gone.
    InstanceGone(InstanceId),
    /// A server is gone.
    ServerGone(ServerName),
}

/// All servers and instances.
#[derive(Debug)]
pub struct Board {
    servers: RwLock<BTreeMap<ServerName, Arc<ServerCell>>>,
    instances: RwLock<BTreeMap<InstanceId, Arc<Cell>>>,
    changes: broadcast::Sender<Change>,
}

/// One server: what is wanted, and what was last decided about it.
#[derive(Debug)]
pub struct ServerCell {
    /// Its name.
    pub name: ServerName,
    /// Rings when somebody should look at it; says nothing of why.
    pub bell: Notify,
    desired: RwLock<Arc<Desired>>,
    plan: Mutex<Plan>,
    secrets: Mutex<KnownSecrets>,
}

/// The hash of the secrets in use, and whether it was asked for since something may have changed it.
#[derive(Debug, Default)]
struct KnownSecrets {
    hash: Option<String>,
    is_fresh: bool,
}

impl Default for Board {
    fn default() -> Self {
        let (changes, _) = broadcast::channel(CHANGES_BUFFERED);
        Self { servers: RwLock::default(), instances: RwLock::default(), changes }
    }
}

impl Board {
    /// Puts what is wanted of a server; makes its cell where there is none.
    pub fn put_server(&self, desired: Desired) -> Arc<ServerCell> {
        let name = desired.name.clone();
        let desired = Arc::new(desired);
        let cell = {
            let mut servers = self.servers.write().unwrap_or_else(PoisonError::into_inner);
            let fresh = || Arc::new(ServerCell::new(name.clone(), Arc::clone(&desired)));
            Arc::clone(servers.entry(name.clone()).or_insert_with(fresh))
        };
        *cell.desired.write().unwrap_or_else(PoisonError::into_inner) = desired;
        cell.forget_secrets();
        self.publish(Change::Server(name));
        cell
    }

    /// The server of that name.
    pub fn find_server(&self, name: &str) -> Option<Arc<ServerCell>> {
        self.servers.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All servers by name.
    pub fn servers(&self) -> Vec<Arc<ServerCell>> {
        self.servers.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Forgets a server.
    pub fn remove_server(&self, name: &ServerName) {
        self.servers.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.publish(Change::ServerGone(name.clone()));
    }

    /// Adds an instance.
    pub fn put_instance(&self, cell: &Arc<Cell>) {
        let mut instances = self.instances.write().unwrap_or_else(PoisonError::into_inner);
        instances.insert(cell.id.clone(), Arc::clone(cell));
        drop(instances);
        self.publish(Change::Instance(cell.id.clone()));
    }

    /// The instance of that id.
    pub fn find_instance(&self, id: &str) -> Option<Arc<Cell>> {
        self.instances.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// All instances by id.
    pub fn instances(&self) -> Vec<Arc<Cell>> {
        self.instances.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The instances of one server by id.
    pub fn instances_of(&self, server: &str) -> Vec<Arc<Cell>> {
        let instances = self.instances.read().unwrap_or_else(PoisonError::into_inner);
        instances.values().filter(|cell| cell.server.as_str() == server).cloned().collect()
    }

    /// Forgets an instance.
    pub fn remove_instance(&self, id: &InstanceId) {
        self.instances.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.publish(Change::InstanceGone(id.clone()));
    }

    /// Tells the watchers.
    pub fn publish(&self, change: Change) {
        // Nobody listening is no failure.
        let _ = self.changes.send(change);
    }

    /// Every change from now on.
    pub fn watch(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
}

impl ServerCell {
    fn new(name: ServerName, desired: Arc<Desired>) -> Self {
        Self {
            name,
            bell: Notify::new(),
            desired: RwLock::new(desired),
            plan: Mutex::default(),
            secrets: Mutex::default(),
        }
    }

    /// What is wanted.
    pub fn desired(&self) -> Arc<Desired> {
        Arc::clone(&self.desired.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was last decided.
    pub fn plan(&self) -> Plan {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what was decided, for those who ask why.
    pub fn set_plan(&self, plan: Plan) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = plan;
    }

    /// The hash of the secrets in use; `None` while it cannot be known.
    pub fn secrets(&self) -> Option<String> {
        self.lock_secrets().hash.clone()
    }

    /// Whether nothing was said since that could have changed the secrets in use.
    pub fn are_secrets_known(&self) -> bool {
        self.lock_secrets().is_fresh
    }

    /// Keeps the hash of the secrets in use.
    pub fn set_secrets(&self, hash: Option<String>) {
        *self.lock_secrets() = KnownSecrets { hash, is_fresh: true };
    }

    /// Something may have changed them: they are to be asked for anew.
    pub fn forget_secrets(&self) {
        self.lock_secrets().is_fresh = false;
    }

    fn lock_secrets(&self) -> MutexGuard<'_, KnownSecrets> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
