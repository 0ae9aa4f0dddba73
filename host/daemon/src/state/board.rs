//! All servers and instances, found by name, with word of every change.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use mcpd_core::decide::Plan;
use mcpd_core::name::{InstanceId, ServerName};
use mcpd_core::server::Wish;
use tokio::sync::{Notify, broadcast, watch};

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
    /// How often an engine came back.
    returns: watch::Sender<u64>,
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
    wakes: AtomicU64,
    has_driver: AtomicBool,
}

/// The hash of the secrets in use, and whether it was asked for since something may have changed it.
#[derive(Debug, Default)]
struct KnownSecrets {
    hash: Option<String>,
    doubts: u64,
    known_at: Option<u64>,
}

/// A doubt about the secrets in use; what is found out settles this one and none that came later.
#[derive(Clone, Copy, Debug)]
pub struct Doubt(u64);

impl Default for Board {
    fn default() -> Self {
        let (changes, _) = broadcast::channel(CHANGES_BUFFERED);
        let returns = watch::Sender::default();
        Self { servers: RwLock::default(), instances: RwLock::default(), changes, returns }
    }
}

impl Board {
    /// Puts what is wanted of a server; makes its cell where there is none. A health check that says the same
    /// as before stays the same one, so that nothing that goes by it starts anew.
    pub fn put_server(&self, mut desired: Desired) -> Arc<ServerCell> {
        let name = desired.name.clone();
        let mut servers = self.servers.write().unwrap_or_else(PoisonError::into_inner);
        let cell = if let Some(cell) = servers.get(&name) {
            let before = cell.desired();
            if before.check == desired.check {
                desired.check.clone_from(&before.check);
            }
            *cell.desired.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(desired);
            Arc::clone(cell)
        } else {
            let cell = Arc::new(ServerCell::new(name.clone(), Arc::new(desired)));
            servers.insert(name.clone(), Arc::clone(&cell));
            cell
        };
        drop(servers);
        cell.doubt_secrets();
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

    /// Forgets a server that was deleted; `false` when one of that name was made anew meanwhile.
    pub fn forget_server(&self, server: &ServerCell) -> bool {
        let mut servers = self.servers.write().unwrap_or_else(PoisonError::into_inner);
        if server.desired().wish != Wish::Delete {
            return false;
        }
        servers.remove(&server.name);
        drop(servers);
        self.publish(Change::ServerGone(server.name.clone()));
        true
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

    /// An engine is back, and each instance behind it knows.
    pub fn tell_return(&self) {
        self.returns.send_modify(|returns| *returns += 1);
    }

    /// Changes with each return of an engine from now on.
    pub fn watch_returns(&self) -> watch::Receiver<u64> {
        self.returns.subscribe()
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
            wakes: AtomicU64::new(0),
            has_driver: AtomicBool::new(false),
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

    /// Keeps what was decided, for those who ask why, and gives what was decided before.
    pub fn replace_plan(&self, plan: Plan) -> Plan {
        std::mem::replace(&mut *self.plan.lock().unwrap_or_else(PoisonError::into_inner), plan)
    }

    /// Whether the caller is the first to ask, and so the one to drive it.
    pub fn claim(&self) -> bool {
        !self.has_driver.swap(true, Ordering::Relaxed)
    }

    /// Those who wait for a secret are to be attempted, also who fails for want of it right now.
    pub fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
    }

    /// How often it was woken.
    pub fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::SeqCst)
    }

    /// The hash of the secrets in use; `None` while it cannot be known.
    pub fn secrets(&self) -> Option<String> {
        self.lock_secrets().hash.clone()
    }

    /// What has to be found out about them: something was said since that could have changed them.
    pub fn find_doubt(&self) -> Option<Doubt> {
        let known = self.lock_secrets();
        (known.known_at != Some(known.doubts)).then_some(Doubt(known.doubts))
    }

    /// Keeps the hash of the secrets in use, as it was found out after `doubt`; `true` when they can be known
    /// now and could not before.
    pub fn settle_secrets(&self, doubt: Doubt, hash: Option<String>) -> bool {
        let mut known = self.lock_secrets();
        let came = known.hash.is_none() && hash.is_some();
        (known.hash, known.known_at) = (hash, Some(doubt.0));
        came
    }

    /// Something may have changed them: they are to be asked for anew.
    pub fn doubt_secrets(&self) {
        self.lock_secrets().doubts += 1;
    }

    fn lock_secrets(&self) -> MutexGuard<'_, KnownSecrets> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
