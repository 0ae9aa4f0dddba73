//! The network of the containers: made where it is not there.

use std::fmt::Write as _;
use std::time::Duration;

use bollard::models::NetworkCreateRequest;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::containers::{ASK_DEADLINE, WORK_DEADLINE};
use super::engine::Engine;
use crate::runtime::RuntimeError;

/// How an engine is told what the network's interface on its host is to be called.
const INTERFACE: &str = "com.docker.network.bridge.name";
/// How often, and how many times, a network is looked for that another mcpd makes in the same moment.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS_MAX: usize = 20;

/// One network, asked for by its name.
pub(super) struct Network {
    name: String,
    turn: Mutex<()>,
}

impl Network {
    pub(super) fn new(name: String) -> Self {
        Self { name, turn: Mutex::default() }
    }

    /// Returns once the network is there.
    pub(super) async fn ensure(&self, engine: &Engine) -> Result<(), RuntimeError> {
        if self.is_there(engine).await? {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        if self.is_there(engine).await? {
            return Ok(());
        }
        let Err(refused) = self.create(engine).await else { return Ok(()) };
        for _ in 0..LOOKS_MAX {
            if self.is_there(engine).await? {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
        Err(refused)
    }

    async fn is_there(&self, engine: &Engine) -> Result<bool, RuntimeError> {
        let doing = format!("look for network {}", self.name);
        let found = engine.docker.inspect_network(&self.name, None);
        Ok(engine.find(&doing, ASK_DEADLINE, found).await?.is_some())
    }

    /// Engines make a second network of the same name without a word, and a name that two have is of no use to
    /// anybody. An interface can be there once only, so the name of the interface makes the engine refuse.
    async fn create(&self, engine: &Engine) -> Result<(), RuntimeError> {
        let doing = format!("create network {}", self.name);
        let request = NetworkCreateRequest {
            name: self.name.clone(),
            options: Some([(INTERFACE.to_owned(), interface(&self.name))].into()),
            ..NetworkCreateRequest::default()
        };
        engine.ask(&doing, WORK_DEADLINE, engine.docker.create_network(request)).await.map(drop)
    }
}

/// The name of the interface: 13 characters, of the 15 that the kernel takes.
fn interface(network: &str) -> String {
    const HASH_BYTES: usize = 4;
    let mut name = "mcpd-".to_owned();
    for byte in &Sha256::digest(network)[..HASH_BYTES] {
        // Writing into a text cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_has_a_name_that_the_kernel_takes() {
        assert_eq!(interface("mcp-servers").len(), 13);
        assert_ne!(interface("mcp-servers"), interface("mcp-server"));
    }
}
