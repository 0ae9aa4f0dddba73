//! The contract as the host sees it: bindings generated from `wit/`, and a sentence for a guest of another one.
//!
//! wasmtime compares the types when it links; this comes first, before seconds are spent on compiling, and
//! says in words what is wrong.

use thiserror::Error;
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{PackageName, Resolve, WorldKey};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "probe",
        imports: {
            "mcpd:probe/mcp": async,
            "mcpd:probe/clock.sleep-ms": async,
        },
        exports: { default: async },
    });
}

pub(crate) use bindings::ProbePre;
pub(crate) use bindings::exports::mcpd::probe::check::Verdict;
pub(crate) use bindings::mcpd::probe::{clock, mcp, report, state, target, types};

/// Version of the contract that this host speaks.
pub const CONTRACT_VERSION: &str = "0.1.0";

const CONTRACT: (&str, &str) = ("mcpd", "probe");
const EXPORT: &str = "check";
const WASI: &str = "wasi";
/// What of WASI is linked.
const WASI_PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// What a component says of its world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// Version of the contract the component was built for.
    pub contract_version: String,
    /// Names of the interfaces it imports.
    pub imports: Vec<String>,
}

/// Why a file is no probe for this host.
#[derive(Debug, Error)]
pub enum WorldError {
    /// Not WebAssembly, cut off, a core module, or a package of interfaces.
    #[error("the file is not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// A component, but no probe.
    #[error("the component does not export mcpd:probe/check, so it is no probe")]
    NoCheck,
    /// A probe for another contract.
    #[error("the component is built for mcpd:probe {wanted}, and this mcpd has {CONTRACT_VERSION}")]
    Version {
        /// The version it is built for.
        wanted: String,
    },
    /// It wants what no probe gets.
    #[error("the component imports {name}, and a probe has only mcpd:probe {CONTRACT_VERSION} and WASI 0.2")]
    Import {
        /// The import's full name.
        name: String,
    },
}

/// The first bytes of a component; a core module differs in the last four.
const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";

/// Reads the world out of a component and compares it with the contract.
pub fn inspect(component: &[u8]) -> Result<World, WorldError> {
    if !component.starts_with(PREAMBLE) {
        return Err(WorldError::NotAComponent("it does not begin like one".to_owned()));
    }
    let (resolve, world) = match decode(component) {
        Ok(DecodedWasm::Component(resolve, world)) => (resolve, world),
        Ok(DecodedWasm::WitPackage(..)) => {
            return Err(WorldError::NotAComponent("it is a package of interfaces".to_owned()));
        }
        Err(error) => return Err(WorldError::NotAComponent(format!("{error:#}"))),
    };
    let world = &resolve.worlds[world];
    let check = world
        .exports
        .keys()
        .filter_map(|key| interface(&resolve, key))
        .find(|(package, name)| is_contract(package) && *name == EXPORT);
    let (package, _) = check.ok_or(WorldError::NoCheck)?;
    let contract_version = compatible(package)?;
    for key in world.imports.keys() {
        permitted(&resolve, key)?;
    }
    let imports = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    Ok(World { contract_version, imports })
}

fn permitted(resolve: &Resolve, key: &WorldKey) -> Result<(), WorldError> {
    match interface(resolve, key) {
        Some((package, _)) if is_contract(package) => compatible(package).map(drop),
        Some((package, _)) if package.namespace == WASI && WASI_PACKAGES.contains(&&*package.name) => Ok(()),
        _ => Err(WorldError::Import { name: resolve.name_world_key(key) }),
    }
}

fn interface<'a>(resolve: &'a Resolve, key: &WorldKey) -> Option<(&'a PackageName, &'a str)> {
    let WorldKey::Interface(id) = key else { return None };
    let interface = &resolve.interfaces[*id];
    Some((&resolve.packages[interface.package?].name, interface.name.as_deref()?))
}

fn is_contract(package: &PackageName) -> bool {
    (package.namespace.as_str(), package.name.as_str()) == CONTRACT
}

/// A guest of the same major version, or of the same minor one before 1.0, is linked.
fn compatible(package: &PackageName) -> Result<String, WorldError> {
    let wanted = package.version.as_ref().map(ToString::to_string).unwrap_or_default();
    let is_compatible = semver::VersionReq::parse(&format!("^{CONTRACT_VERSION}"))
        .is_ok_and(|accepted| package.version.as_ref().is_some_and(|version| accepted.matches(version)));
    if is_compatible { Ok(wanted) } else { Err(WorldError::Version { wanted }) }
}
