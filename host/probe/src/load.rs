//! Loading a probe: digest, world, compiled code, types, description; each step may refuse, in words.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use mcpd_core::check::{Inconclusive, Verdict};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::cache::{self, Cache};
use crate::context::CheckContext;
use crate::contract::{self, ProbePre, WorldError};
use crate::engine;
use crate::limits::COMPONENT_BYTES_MAX;
use crate::outcome::Outcome;
use crate::probe::Code;

/// `describe` answers from what it knows; a Python guest needs some 20 ms to start.
pub(crate) const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a component could not be loaded. Each text is a sentence for the one who wrote or configured it.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Larger than any probe may be.
    #[error("the component has {bytes} bytes, and {COMPONENT_BYTES_MAX} are the limit")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not a component, or for another world.
    #[error(transparent)]
    World(#[from] WorldError),
    /// Its imports or exports have other types than the contract.
    #[error("the component does not fit the contract mcpd:probe {}", contract::CONTRACT_VERSION)]
    Types(#[source] Cause),
    /// It is not valid, or uses what is turned off.
    #[error("the component could not be compiled")]
    Compile(#[source] Cause),
    /// It did not answer `describe`.
    #[error("the probe could not be asked what it is: {message}")]
    Describe {
        /// How it ended.
        cause: Inconclusive,
        /// In words.
        message: String,
    },
    /// It answered `describe` with something else.
    #[error("the probe's description is not the JSON object of the contract: {0}")]
    Description(String),
    /// The host could not do its work.
    #[error("the probe host could not load the component")]
    Host(#[source] Cause),
}

/// An error of wasmtime with its own chain.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl LoadError {
    /// What a check with this probe is meanwhile.
    pub fn inconclusive(&self) -> Inconclusive {
        match self {
            Self::World(WorldError::NotAComponent(_)) => Inconclusive::LoadError,
            Self::World(_) | Self::Types(_) => Inconclusive::ContractMismatch,
            Self::Describe { cause, .. } => *cause,
            _ => Inconclusive::LoadError,
        }
    }
}

impl From<Outcome> for LoadError {
    /// A `describe` that did not return.
    fn from(outcome: Outcome) -> Self {
        match outcome.verdict {
            Verdict::Inconclusive(cause) => Self::Describe { cause, message: outcome.message },
            _ => Self::Host(outcome.message.into()),
        }
    }
}

/// Compiles and links, one component at a time, each digest once.
pub(crate) struct Loader {
    engine: Engine,
    linker: Linker<CheckContext>,
    cache: Option<Cache>,
    loaded: Arc<Mutex<HashMap<String, Weak<Code>>>>,
}

impl Loader {
    pub(crate) fn new(engine: Engine, linker: Linker<CheckContext>, cache: Option<Cache>) -> Self {
        Self { engine, linker, cache, loaded: Arc::default() }
    }

    /// The code of a component. The lock goes along into the thread that compiles: a caller that goes away
    /// does not let a second compilation in.
    pub(crate) async fn load(self: &Arc<Self>, component: Bytes) -> Result<Arc<Code>, LoadError> {
        if component.len() > COMPONENT_BYTES_MAX {
            return Err(LoadError::TooLarge { bytes: component.len() });
        }
        let mut known = self.loaded.clone().lock_owned().await;
        let loader = self.clone();
        let work = move || {
            let digest = format!("sha256:{:x}", Sha256::digest(&component));
            if let Some(code) = known.get(&digest).and_then(Weak::upgrade) {
                return Ok(code);
            }
            let code = Arc::new(loader.link(digest.clone(), &component)?);
            known.retain(|_, code| code.strong_count() > 0);
            known.insert(digest, Arc::downgrade(&code));
            Ok(code)
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(LoadError::Host(error.into())))
    }

    fn link(&self, digest: String, component: &[u8]) -> Result<Code, LoadError> {
        let world = contract::inspect(component)?;
        let (compiled, compile_duration) = self.code(&digest, component)?;
        let slots = slots(&compiled);
        let pre = self.linker.instantiate_pre(&compiled).map_err(|error| LoadError::Types(error.into()))?;
        let pre = ProbePre::new(pre).map_err(|error| LoadError::Types(error.into()))?;
        let contract_version = world.contract_version;
        Ok(Code { pre, digest, contract_version, component_bytes: component.len(), slots, compile_duration })
    }

    /// The code, and how long it took to compile where it was not kept.
    fn code(&self, digest: &str, component: &[u8]) -> Result<(Component, Option<Duration>), LoadError> {
        if let Some(code) = self.cache.as_ref().and_then(|cache| cache.find(&self.engine, digest)) {
            return Ok((code, None));
        }
        let begun = Instant::now();
        let compiler = engine::compile_engine().map_err(|error| LoadError::Host(error.into()))?;
        let code =
            compiler.precompile_component(component).map_err(|error| LoadError::Compile(error.into()))?;
        drop(compiler);
        let duration = begun.elapsed();
        self.keep(digest, &code);
        let code = cache::load(&self.engine, &code).map_err(|error| LoadError::Host(error.into()))?;
        Ok((code, Some(duration)))
    }

    /// A cache that can not be written costs time and nothing else.
    fn keep(&self, digest: &str, code: &[u8]) {
        let kept = self.cache.as_ref().map_or(Ok::<_, io::Error>(()), |cache| cache.keep(digest, code));
        if let Err(error) = kept {
            tracing::warn!("compiled code of {digest} could not be kept: {error}");
        }
    }
}

/// How many slots of the pool one instance takes; each has one memory and a few tables.
fn slots(component: &Component) -> u32 {
    let required = component.resources_required();
    required.map_or(1, |required| {
        required.num_memories.max(required.num_tables.div_ceil(engine::TABLES_PER_SLOT)).max(1)
    })
}
