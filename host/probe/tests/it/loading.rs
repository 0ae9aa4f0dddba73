//! What is loaded and what is not, and what the cache of compiled code makes of bad files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use mcpd_core::check::{Inconclusive, Verdict};
use mcpd_probe::{HostConfig, Limits, LoadError, ProbeHost, builtin};

use crate::support::{Server, host, load, run, target};

const PROBE: &[u8] = builtin::TOOL_CALL.component;

fn caching(folder: &Path) -> Arc<ProbeHost> {
    let config = HostConfig { cache_dir: Some(folder.to_owned()), pool_size: 2, ..HostConfig::default() };
    ProbeHost::new(config).unwrap()
}

fn only_file(folder: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

async fn passes(host: &ProbeHost) {
    let probe = load(host, PROBE, Limits::default()).await;
    assert_eq!(run(host, &probe, &Server::kind(), target()).await.verdict, Verdict::Pass);
}

async fn refused(bytes: impl Into<Bytes>) -> LoadError {
    host().load(bytes.into(), Limits::default()).await.err().unwrap()
}

#[tokio::test]
async fn what_is_no_component_is_refused_as_such() {
    let core_module: &[u8] = b"\0asm\x01\0\0\0";
    for bytes in [&b""[..], b"#!/bin/sh", core_module, &PROBE[..PROBE.len() / 2], &PROBE[..PROBE.len() - 1]] {
        let refused = refused(Bytes::copy_from_slice(bytes)).await;
        assert_eq!(refused.inconclusive(), Inconclusive::LoadError);
        assert!(refused.to_string().starts_with("the file is not a WebAssembly component: "), "{refused}");
    }
}

#[tokio::test]
async fn a_component_of_100_mib_is_refused_by_its_size() {
    assert!(matches!(refused(vec![0; 100 << 20]).await, LoadError::TooLarge { .. }));
}

#[tokio::test]
async fn compiled_code_is_kept_privately_and_used_again() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let compiled = folder.path().join("compiled");
    passes(&caching(&compiled)).await;
    let file = only_file(&compiled);
    assert_eq!(fs::metadata(&compiled).unwrap().permissions().mode() & 0o777, 0o700);
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    passes(&caching(&compiled)).await;
    assert_eq!(fs::metadata(only_file(&compiled)).unwrap().modified().unwrap(), written);
}

#[tokio::test]
async fn a_bad_file_in_the_cache_is_a_miss_and_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    passes(&caching(folder.path())).await;
    let file = only_file(folder.path());
    let good = fs::read(&file).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for bad in [&good[..good.len() / 2], &good[..10], b"", b"\x7fELF but something else", &flipped] {
        fs::write(&file, bad).unwrap();
        passes(&caching(folder.path())).await;
        assert_eq!(fs::read(&file).unwrap(), good);
    }
}

#[tokio::test]
async fn foreign_code_with_a_right_sum_is_a_miss() {
    use sha2::{Digest, Sha256};
    let folder = tempfile::tempdir().unwrap();
    passes(&caching(folder.path())).await;
    let file = only_file(folder.path());
    let mut foreign = Sha256::digest(b"code of another engine").to_vec();
    foreign.extend_from_slice(b"code of another engine");
    fs::write(&file, &foreign).unwrap();
    passes(&caching(folder.path())).await;
    assert_ne!(fs::read(&file).unwrap(), foreign);
}

#[tokio::test]
async fn loading_the_same_component_at_once_compiles_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let host = caching(folder.path());
    let (one, two) =
        tokio::join!(load(&host, PROBE, Limits::default()), load(&host, PROBE, Limits::default()));
    assert_eq!(one.digest(), two.digest());
    only_file(folder.path());
}

/// The key of compiled code must change with the code generator (see `cache.rs`).
#[test]
fn the_version_in_the_cache_key_is_the_one_that_is_built_in() {
    let lock = include_str!("../../../../Cargo.lock");
    let cache = include_str!("../../src/cache.rs");
    let (_, package) = lock.split_once("name = \"wasmtime\"\nversion = \"").unwrap();
    let (version, _) = package.split_once('"').unwrap();
    assert!(cache.contains(&format!("const WASMTIME_VERSION: &str = \"{version}\"")), "{version}");
}
