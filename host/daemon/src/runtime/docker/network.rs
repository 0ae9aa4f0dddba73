//! The network of the containers: made where it is not there.

use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::ListNetworksOptions;
use tokio::sync::Mutex;

use super::containers::{ASK_DEADLINE, WORK_DEADLINE};
use super::engine::Engine;
use crate::runtime::RuntimeError;

/// One network, asked for by its name.
pub(super) struct Network {
    name: String,
    /// Engines make a second one of the same name without a word, so one at a time asks.
    turn: Mutex<()>,
}

impl Network {
    pub(super) fn new(name: String) -> Self {
        Self { name, turn: Mutex::default() }
    }

    /// Returns once the network is there.
    pub(super) async fn ensure(&self, engine: &Engine) -> Result<(), RuntimeError> {
        let _turn = self.turn.lock().await;
        let doing = format!("look for network {}", self.name);
        let found = engine.docker.inspect_network(&self.name, None);
        if engine.find(&doing, ASK_DEADLINE, found).await?.is_some() {
            return Ok(());
        }
        let doing = format!("create network {}", self.name);
        let request = NetworkCreateRequest { name: self.name.clone(), ..NetworkCreateRequest::default() };
        let created = engine.ask(&doing, WORK_DEADLINE, engine.docker.create_network(request)).await?;
        self.withdraw_second(engine, &created.id).await
    }

    /// Another mcpd may have made one in the same moment, and a name that two have can be used by nobody: the one
    /// with the lower id stays.
    async fn withdraw_second(&self, engine: &Engine, id: &str) -> Result<(), RuntimeError> {
        let filters = [("name".to_owned(), vec![self.name.clone()])].into();
        let listed = engine.docker.list_networks(Some(ListNetworksOptions { filters: Some(filters) }));
        let listed = engine.ask("list networks", ASK_DEADLINE, listed).await?;
        let same = listed.into_iter().filter(|network| network.name.as_ref() == Some(&self.name));
        if same.filter_map(|network| network.id).any(|other| other.as_str() < id) {
            let doing = format!("remove the second network {}", self.name);
            engine.find(&doing, ASK_DEADLINE, engine.docker.remove_network(id)).await?;
        }
        Ok(())
    }
}
