//! What a deletion by force may leave behind: containers, for a process of the host is ended by mcpd itself.

use mcpd_api::manifest::{Launch, PackageRuntime};

use crate::runtime::auto::{PackagePlace, Packages};
use crate::state::Cell;

/// Whether something may be left of the instance where it is forgotten now. What runs is known; of what does not, its
/// server says where it would.
pub(super) fn may_be_left(cell: &Cell, launch: Option<&Launch>, packages: Packages) -> bool {
    let may_be = || launch.is_some_and(|launch| may_be_contained(launch, packages));
    cell.run().map_or_else(may_be, |run| run.is_contained())
}

fn may_be_contained(launch: &Launch, packages: Packages) -> bool {
    let place = match launch {
        Launch::Image { .. } => return true,
        Launch::Command { .. } | Launch::External { .. } => return false,
        Launch::Package { runtime: PackageRuntime::Node, .. } => packages.node,
        Launch::Package { runtime: PackageRuntime::Python, .. } => packages.python,
    };
    matches!(place, PackagePlace::Container | PackagePlace::ContainerIfAny)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::driver::test_support::Bench;
    use crate::runtime::fake::OnStart;

    const NODE_IN_CONTAINERS: Packages =
        Packages { node: PackagePlace::ContainerIfAny, python: PackagePlace::Host };

    fn is_left(bench: &Bench, server: &str) -> bool {
        let desired = bench.server(server).desired();
        may_be_left(&bench.cell(server), Some(&desired.manifest.launch), NODE_IN_CONTAINERS)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_a_container_or_may_be_is_named_though_its_engine_answers() {
        let bench = Bench::boot().await;
        let package = |runtime: &str| json!({"command": [], "packageName": "demo", "runtime": runtime});
        bench.apply_image("boxed", json!({})).await;
        bench.apply("plain", json!({})).await;
        bench.apply("on-host", package("node")).await;
        bench.until(|b| ["boxed", "plain", "on-host"].iter().all(|name| b.ready(name) == 1)).await;
        for name in ["image", "node", "python", "command"] {
            bench.runtime.script(name, |script| script.start = OnStart::Fails("no"));
        }
        bench.apply_image("image", json!({})).await;
        bench.apply("node", package("node")).await;
        bench.apply("python", package("python")).await;
        bench.apply("command", json!({})).await;
        let failed = ["image", "node", "python", "command"];
        bench.until(|b| failed.iter().all(|name| b.statuses(name) == ["ERROR"])).await;
        let all = ["boxed", "plain", "on-host"].into_iter().chain(failed);
        let left: Vec<_> = all.filter(|name| is_left(&bench, name)).collect();
        assert_eq!(left, ["boxed", "image", "node"]);
    }
}
