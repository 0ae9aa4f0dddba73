//! Who may call what (behaviour 6.13): pure, and asked before every call.

use std::collections::BTreeSet;

/// What every probe may ask: nothing here changes anything on the server.
const READ_ONLY_METHODS: [&str; 6] =
    ["ping", "server/discover", "tools/list", "resources/list", "resources/templates/list", "prompts/list"];

/// What no grant opens: the connection is shared with the clients, and its life is not a probe's matter.
const CONNECTION_METHODS: [&str; 1] = ["initialize"];
const NOTIFICATIONS: &str = "notifications/";

/// The method behind every tool; granted by tool and never as a whole.
pub(crate) const TOOLS_CALL: &str = "tools/call";

/// What one check may call beyond the read-only methods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    tools: BTreeSet<String>,
    methods: BTreeSet<String>,
}

impl Grant {
    /// The tool that `healthCheck.tool` names, and what `healthCheck.allow` lists.
    pub fn new<T: Into<String>>(
        tool: Option<&str>,
        tools: impl IntoIterator<Item = T>,
        methods: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            tools: tools.into_iter().map(Into::into).chain(tool.map(str::to_owned)).collect(),
            methods: methods.into_iter().map(Into::into).collect(),
        }
    }

    /// Whether `tools/call` of this tool is granted.
    pub fn permits_tool(&self, tool: &str) -> bool {
        self.tools.contains(tool)
    }

    /// Whether this method is granted; `tools/call` never is, its tools are.
    pub fn permits_method(&self, method: &str) -> bool {
        READ_ONLY_METHODS.contains(&method) || (self.methods.contains(method) && may_be_granted(method))
    }
}

fn may_be_granted(method: &str) -> bool {
    method != TOOLS_CALL && !CONNECTION_METHODS.contains(&method) && !method.starts_with(NOTIFICATIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_only_methods_need_no_grant() {
        let none = Grant::default();
        assert!(READ_ONLY_METHODS.iter().all(|method| none.permits_method(method)));
        assert!(!none.permits_method("resources/read"));
        assert!(!none.permits_tool("get_me"));
    }

    #[test]
    fn the_tool_of_the_health_check_and_the_allow_list_are_granted() {
        let grant = Grant::new(Some("get_me"), ["list_repos"], ["resources/read"]);
        assert!(grant.permits_tool("get_me"));
        assert!(grant.permits_tool("list_repos"));
        assert!(grant.permits_method("resources/read"));
        assert!(!grant.permits_tool("delete_repo"));
    }

    #[test]
    fn no_grant_opens_all_tools_or_the_life_of_the_connection() {
        let grant = Grant::new(None, [], [TOOLS_CALL, "initialize", "notifications/cancelled"]);
        for method in [TOOLS_CALL, "initialize", "notifications/cancelled"] {
            assert!(!grant.permits_method(method), "{method}");
        }
    }
}
