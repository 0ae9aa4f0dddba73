//! What one test has of an engine: a network of its own, by which all its containers are found and removed.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::engine::Engine;
use super::image::{Image, unique};

/// Label with the instance that a container was made for.
pub(crate) const INSTANCE: &str = "mcpd.instance";
/// Label with the mcpd that a container belongs to.
pub(crate) const OWNER: &str = "mcpd.owner";

/// Where the containers of one test lie. Whatever lies there when the test ends, however it ends, is removed.
pub(crate) struct Dock {
    pub(crate) engine: Engine,
    /// What mcpd is told to put its containers in; it makes it itself.
    pub(crate) network: String,
    /// The static server and nothing else.
    pub(crate) image: Arc<Image>,
    node: OnceLock<Arc<Image>>,
}

impl Dock {
    pub(crate) fn new(engine: &Engine) -> Self {
        let network = format!("mcpd-test-{}", unique());
        let (engine, image) = (engine.clone(), Image::of_static_server(engine));
        Self { engine, network, image, node: OnceLock::new() }
    }

    /// Node and servers of npm. It is kept as long as its containers: removed before them, it would stay nameless.
    pub(crate) fn node_image(&self) -> &str {
        &self.node.get_or_init(|| Image::of_node(&self.engine)).name
    }

    /// `docker inspect` of every container of the test, in whatever state.
    pub(crate) fn containers(&self) -> Vec<Value> {
        let ids = self.ids();
        self.engine.inspect(&ids.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Those that mcpd made for its instances, rather than the test.
    pub(crate) fn owned(&self) -> Vec<Value> {
        self.containers().into_iter().filter(|container| label(container, OWNER).is_some()).collect()
    }

    /// The container of an instance.
    ///
    /// # Panics
    /// When there is not exactly one.
    pub(crate) fn container(&self, instance: &Value) -> Value {
        let id = instance["id"].as_str();
        let mut found: Vec<_> =
            self.containers().into_iter().filter(|container| label(container, INSTANCE) == id).collect();
        assert_eq!(found.len(), 1, "containers of one instance: {found:#?}");
        found.remove(0)
    }

    fn ids(&self) -> Vec<String> {
        let filter = format!("network={}", self.network);
        let listed = self.engine.docker(&["ps", "-aq", "--no-trunc", "--filter", &filter]);
        listed.lines().map(str::to_owned).collect()
    }
}

impl Drop for Dock {
    /// Nothing here panics: the engine may be gone with all it had, and a test may be failing already.
    fn drop(&mut self) {
        if Engine::at(self.engine.host().to_owned()).is_none() {
            return;
        }
        let filter = format!("network={}", self.network);
        let listed = self.engine.try_docker(&["ps", "-aq", "--filter", &filter]).unwrap_or_default();
        for id in listed.lines() {
            let _ = self.engine.try_docker(&["rm", "-f", "-v", id]);
        }
        let _ = self.engine.try_docker(&["network", "rm", &self.network]);
    }
}

/// A label of a container.
pub(crate) fn label<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    container["Config"]["Labels"][name].as_str()
}

/// The number of a container's first process on this host.
pub(crate) fn host_pid(container: &Value) -> i32 {
    i32::try_from(container["State"]["Pid"].as_i64().unwrap()).unwrap()
}
