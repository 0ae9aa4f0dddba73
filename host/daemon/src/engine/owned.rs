//! How many things mcpd owns, for `/metrics`: as the runtime says now, or not known.

use std::time::Duration;

use tokio::time::timeout;

use crate::runtime::{Presence, Runtime, Sight};

/// How long the runtime may take to say it. An engine that is well takes some milliseconds, and who scrapes waits for
/// 10 s as a rule, for all of the page.
const OWNED_TIMEOUT: Duration = Duration::from_secs(1);

/// `None` where nobody can say it now: what was there when an engine was seen last may be gone since.
pub(super) async fn count(runtime: &dyn Runtime) -> Option<usize> {
    let owned = timeout(OWNED_TIMEOUT, runtime.list()).await.ok()?.ok()?;
    let is_blind = runtime.engines().iter().any(|engine| matches!(engine.sight, Sight::Lost(_)));
    let is_seen = !is_blind && owned.iter().all(|thing| thing.presence != Presence::Unseen);
    is_seen.then_some(owned.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::driver::test_support::Bench;
    use crate::runtime::fake::Attachments;

    #[tokio::test(start_paused = true)]
    async fn what_is_there_is_counted_where_the_runtime_says_it_soon_and_is_not_known_where_it_does_not() {
        let bench = Bench::boot().await;
        bench.apply_image("demo", json!({"replicas": 2})).await;
        bench.until_ready("demo", 2).await;
        assert_eq!(count(&bench.runtime).await, Some(2));
        bench.runtime.list_takes(Duration::from_secs(10));
        let before = Instant::now();
        assert_eq!(count(&bench.runtime).await, None);
        assert!(before.elapsed() <= OWNED_TIMEOUT * 2);
        bench.runtime.list_takes(Duration::ZERO);
        bench.runtime.go_away("frozen", Attachments::Hang);
        assert_eq!(count(&bench.runtime).await, None);
        bench.runtime.come_back();
        assert_eq!(count(&bench.runtime).await, Some(2));
    }
}
