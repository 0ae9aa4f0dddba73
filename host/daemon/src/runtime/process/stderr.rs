//! Carries the server's stderr into its log.

use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use crate::runtime::lines::Lines;
use crate::runtime::log::{LogBook, LogStream};

/// Read at once: a pipe hands out no more than this in most cases.
const CHUNK_BYTES: usize = 16 * 1024;

/// Reads until the last holder of the pipe is gone. Always reads on, or a chatty server would stand still.
pub(super) async fn pump(mut stderr: pipe::Receiver, book: Arc<LogBook>) {
    let mut lines = Lines::default();
    let mut chunk = vec![0_u8; CHUNK_BYTES];
    while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
        lines.push_into(&book, LogStream::Stderr, &chunk[..count]);
    }
    lines.finish_into(&book, LogStream::Stderr);
}
