//! A bench to try driver, checks and router on: all of them real, over a store in memory, a runtime without
//! processes and a paused clock.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use mcpd_core::backoff::Schedule;
use mcpd_core::decide::COUNT_RESET_AFTER;
use mcpd_core::instance::Instance;
use mcpd_core::name::InstanceId;
use mcpd_core::secret::SecretValue;
use mcpd_core::time::between;
use mcpd_probe::{HostConfig, Limits, ProbeHost};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Context, Fleet, Settings};
use crate::checks::{Checks, Probes};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::router::Router;
use crate::runtime::fake::{FakeRuntime, Place};
use crate::secrets::{Backends, Environment, Resolver, SealedKey};
use crate::state::{Board, Cell, Defaults, Ledger, ServerCell};
use crate::store::memory::MemoryStore;
use crate::store::{Change, Expected, SecretDraft, ServerDraft, Store};
use crate::withheld::Withheld;

/// No state of a test is further away, in paused time.
const PATIENCE: Duration = Duration::from_hours(2);

/// How often a state that nobody announces is looked at, in paused time.
const LOOK: Duration = Duration::from_millis(20);

/// Everything from `apply` to the instance, without HTTP and processes.
pub(crate) struct Bench {
    pub(crate) runtime: FakeRuntime,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) context: Arc<Context>,
    pub(crate) fleet: Fleet,
    pub(crate) router: Router,
    key: Arc<SealedKey>,
    end: CancellationToken,
    ledger_end: CancellationToken,
    background: TaskTracker,
}

impl Bench {
    /// One with nothing in it.
    pub(crate) async fn boot() -> Self {
        let key = Arc::new(SealedKey::random().unwrap());
        Self::over(Arc::default(), key, FakeRuntime::new(), Timestamp::UNIX_EPOCH).await
    }

    async fn over(
        store: Arc<MemoryStore>,
        key: Arc<SealedKey>,
        runtime: FakeRuntime,
        wall: Timestamp,
    ) -> Self {
        runtime.is_born_again();
        let end = CancellationToken::new();
        let context = Arc::new(context(&store, &key, &runtime, Clock::seeded(wall, SEED), &end));
        let Context { board, metrics, clock, .. } = &*context;
        let bench = Self {
            router: Router::new(Arc::clone(board), Arc::clone(metrics), clock.clone()),
            fleet: Fleet::new(Arc::clone(&context), Defaults::default()),
            runtime,
            store,
            context,
            key,
            end,
            ledger_end: CancellationToken::new(),
            background: TaskTracker::new(),
        };
        let (ledger, ledger_end) = (bench.context.ledger.clone(), bench.ledger_end.clone());
        bench.background.spawn(async move { ledger.write_until(ledger_end).await });
        bench.background.spawn(Arc::clone(&bench.context.checks).run_until(bench.end.clone()));
        bench.fleet.boot().await.unwrap();
        bench
    }

    /// mcpd ends without stopping anything, and another one starts over what it has left.
    pub(crate) async fn crash(self) -> Self {
        self.crash_while(|_| ()).await
    }

    /// The same; something happens to what runs while no mcpd is there.
    pub(crate) async fn crash_while(self, happens: impl FnOnce(&FakeRuntime)) -> Self {
        self.end.cancel();
        self.context.tasks.close();
        self.context.tasks.wait().await;
        self.ledger_end.cancel();
        self.background.close();
        self.background.wait().await;
        let wall = self.context.clock.now();
        drop(self.context);
        self.runtime.orphaned();
        happens(&self.runtime);
        Self::over(self.store, self.key, self.runtime, wall).await
    }

    /// mcpd ends as it should, and is started again.
    pub(crate) async fn reboot(self) -> Self {
        let (key, wall) = (Arc::clone(&self.key), self.now());
        let (runtime, store) = self.shut_down().await;
        runtime.orphaned();
        Self::over(store, key, runtime, wall).await
    }

    /// Ends as the daemon does, and gives what is left.
    pub(crate) async fn shut_down(self) -> (FakeRuntime, Arc<MemoryStore>) {
        self.end.cancel();
        self.fleet.shut_down().await;
        self.ledger_end.cancel();
        self.background.close();
        self.background.wait().await;
        (self.runtime, self.store)
    }

    /// Writes a server as `apply` does: `fields` over a command that does not matter.
    pub(crate) async fn apply(&self, name: &str, fields: Value) {
        let mut manifest = json!({"kind": "server", "name": name, "command": ["fake"]});
        manifest.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let draft = ServerDraft { name: name.into(), manifest: manifest.to_string(), applied: true };
        self.write(name, Change::PutServer(draft, Expected::Any)).await;
    }

    /// The same over an image, whose instances the fake runtime runs in containers.
    pub(crate) async fn apply_image(&self, name: &str, fields: Value) {
        self.runtime.script(name, |script| {
            if script.place == Place::Process {
                script.place = Place::Container;
            }
        });
        let mut image = json!({"command": [], "dockerImage": "fake:1"});
        image.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.apply(name, image).await;
    }

    pub(crate) async fn delete(&self, name: &str) {
        self.write(name, Change::DeleteServer(name.into(), Expected::Any)).await;
    }

    pub(crate) async fn restart(&self, name: &str) {
        self.write(name, Change::RestartServer(name.into())).await;
    }

    async fn write(&self, server: &str, change: Change) {
        self.store.write(&[change], self.now()).await.unwrap();
        let row = self.store.find_server(&server.into()).await.unwrap().unwrap();
        self.fleet.server_changed(&row).unwrap();
    }

    /// Writes a secret with the key `token`, and says so as the API does.
    pub(crate) async fn put_secret(&self, name: &str, token: &str) {
        self.write_secret(name, token).await;
        self.fleet.secret_changed(name);
    }

    /// Writes a login at a registry of images, and says so as the API does.
    pub(crate) async fn put_login(&self, name: &str, username: &str, password: &str) {
        self.write_keys(name, &[("username", username), ("password", password)]).await;
        self.fleet.secret_changed(name);
    }

    /// Writes a secret and tells nobody.
    pub(crate) async fn write_secret(&self, name: &str, token: &str) {
        self.write_keys(name, &[("token", token)]).await;
    }

    async fn write_keys(&self, name: &str, data: &[(&str, &str)]) {
        let keys = data.iter().map(|(key, _)| (*key).to_owned()).collect();
        let value = |text: &str| SecretValue::new(text.to_owned());
        let data = data.iter().map(|(key, text)| ((*key).to_owned(), value(text))).collect();
        let values = self.context.secrets.write("sealed", name, &data).await.unwrap();
        let draft = SecretDraft { name: name.into(), backend: "sealed".into(), keys, values, applied: false };
        self.store.write(&[Change::PutSecret(draft, Expected::Any)], self.now()).await.unwrap();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    pub(crate) fn server(&self, name: &str) -> Arc<ServerCell> {
        self.context.board.find_server(name).unwrap()
    }

    /// The cells of a server, oldest first.
    pub(crate) fn cells(&self, server: &str) -> Vec<Arc<Cell>> {
        let mut cells = self.context.board.instances_of(server);
        cells.sort_by_key(|cell| cell.read(|instance| instance.created_at));
        cells
    }

    /// The instances of a server, oldest first.
    pub(crate) fn instances(&self, server: &str) -> Vec<Instance> {
        self.cells(server).iter().map(|cell| cell.snapshot()).collect()
    }

    pub(crate) fn statuses(&self, server: &str) -> Vec<&'static str> {
        self.instances(server).iter().map(Instance::status).collect()
    }

    /// The one instance of a server.
    pub(crate) fn only(&self, server: &str) -> Instance {
        let mut instances = self.instances(server);
        assert_eq!(instances.len(), 1, "{instances:#?}");
        instances.remove(0)
    }

    /// Its cell.
    pub(crate) fn cell(&self, server: &str) -> Arc<Cell> {
        self.context.board.find_instance(self.only(server).id.as_str()).unwrap()
    }

    pub(crate) fn ready(&self, server: &str) -> usize {
        self.instances(server).iter().filter(|instance| instance.is_ready()).count()
    }

    /// Waits until the one instance of a server is as described.
    pub(crate) async fn until_instance(&self, server: &str, is: impl Fn(&Instance) -> bool) -> Instance {
        self.until_some(server, is).await;
        self.only(server)
    }

    /// Waits until an instance of a server is as described.
    pub(crate) async fn until_some(&self, server: &str, is: impl Fn(&Instance) -> bool) {
        self.until(|bench| bench.instances(server).iter().any(&is)).await;
    }

    /// Waits until so many instances of a server are Ready, and no others are there.
    pub(crate) async fn until_ready(&self, server: &str, count: usize) {
        self.until(|bench| bench.ready(server) == count && bench.instances(server).len() == count).await;
    }

    /// Waits until something holds; what the board announces is seen at once.
    pub(crate) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let mut changes = self.context.board.watch();
        let wait = async {
            while !holds(self) {
                let _ = tokio::time::timeout(LOOK, changes.recv()).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, wait).await.is_ok();
        assert!(came, "never came to be; on the board: {:#?}", self.context.board.instances());
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// So that a test that fails fails again.
const SEED: u64 = 7;

/// As the configuration has it where nothing is said.
fn settings() -> Settings {
    Settings {
        schedule: Schedule::default(),
        count_reset_after: COUNT_RESET_AFTER,
        scan: Duration::from_secs(30),
    }
}

fn context(
    store: &Arc<MemoryStore>,
    key: &SealedKey,
    runtime: &FakeRuntime,
    clock: Clock,
    end: &CancellationToken,
) -> Context {
    let port: Arc<dyn Store> = store.clone();
    let (board, metrics) = (Arc::new(Board::default()), Arc::new(Metrics::default()));
    let ledger = Ledger::new(Arc::clone(&port));
    let (gauges, kept) = (Arc::clone(&metrics), Arc::clone(&port));
    let checks = Checks::new(Arc::clone(&board), ledger.clone(), clock.clone(), gauges, probes(), kept);
    let backends = Backends::new(Arc::clone(&port), key, Environment::default());
    Context {
        secrets: Arc::new(Resolver::new(Arc::clone(&port), backends, key, "sealed".to_owned())),
        checks: Arc::new(checks.doubting(Arc::new(runtime.clone()))),
        runtime: Arc::new(runtime.clone()),
        store: port,
        board,
        ledger,
        clock,
        metrics,
        settings: settings(),
        tasks: TaskTracker::new(),
        end: end.child_token(),
        starts: Arc::new(Semaphore::new(4)),
        withheld: Arc::new([Withheld { path: "/none/mcpd".into(), what: "the data", harm: "read it" }]),
    }
}

/// The built-in probes, compiled once for all tests, on a thread whose time is not paused.
fn probes() -> Probes {
    static LOADED: OnceLock<Probes> = OnceLock::new();
    let load = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let host = ProbeHost::new(HostConfig::default()).unwrap();
        runtime.block_on(Probes::load(host, Limits::default())).unwrap()
    };
    LOADED.get_or_init(|| std::thread::spawn(load).join().unwrap()).clone()
}

/// Seconds from one time to a later one, the part of a second cut off.
pub(crate) fn seconds(from: Timestamp, to: Timestamp) -> u64 {
    between(from, to).as_secs()
}

/// Seconds until the next attempt of an instance.
pub(crate) fn wait_of(instance: &Instance) -> u64 {
    seconds(instance.attempts.last_at.unwrap(), instance.next_retry_at().unwrap())
}

/// The last event of an instance: `Warning Exited: exited with code 1`.
pub(crate) fn last_event(instance: &Instance) -> String {
    let event = instance.events.last().unwrap();
    format!("{} {}: {}", event.event_type.as_str(), event.reason, event.message)
}

/// Whether the instance has such an event.
pub(crate) fn has_event(instance: &Instance, reason: &str, words: &str) -> bool {
    instance.events.iter().any(|event| event.reason == reason && event.message.contains(words))
}

pub(crate) fn ids(instances: &[Instance]) -> Vec<InstanceId> {
    instances.iter().map(|instance| instance.id.clone()).collect()
}
