//! The program `mcpd`. Guardians of servers are this same program: they are told apart before anything else.

fn main() {
    if let Some(code) = mcpd::runtime::process::guard::run_if_asked() {
        std::process::exit(code);
    }
}
