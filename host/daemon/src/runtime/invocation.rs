//! From what a server's owner wrote to the program and arguments that are executed.

use super::{Launch, RuntimeError};

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invocation {
    pub(super) program: String,
    pub(super) args: Vec<String>,
}

impl Invocation {
    /// What runs `launch` with `args` appended. Nothing here may ever ask a question: nobody would answer.
    ///
    /// # Errors
    /// An image is no program.
    pub(super) fn new(launch: &Launch, args: &[String]) -> Result<Self, RuntimeError> {
        let (program, mut all) = match launch {
            Launch::Command { argv } => {
                let (program, rest) = argv.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
                (program.to_owned(), rest.to_vec())
            }
            Launch::NodePackage { package, bin } => ("npx".to_owned(), npx(package, bin.as_deref())),
            Launch::PythonPackage { package, bin } => ("uvx".to_owned(), uvx(package, bin.as_deref())),
            Launch::Image { image, .. } => {
                return Err(RuntimeError::NoEngine { doing: format!("run image {image}") });
            }
        };
        all.extend_from_slice(args);
        Ok(Self { program, args: all })
    }

    /// The error of a program that is not there: for a package's runner it says what to install.
    pub(super) fn not_found(&self, launch: &Launch, reason: String) -> RuntimeError {
        let hint = match launch {
            Launch::Command { .. } | Launch::Image { .. } => {
                return RuntimeError::CannotStart { program: self.program.clone(), reason };
            }
            Launch::NodePackage { .. } => "install Node.js, which brings npx: https://nodejs.org",
            Launch::PythonPackage { .. } => "install uv, which brings uvx: https://docs.astral.sh/uv",
        };
        RuntimeError::RunnerMissing { program: self.program.clone(), hint }
    }
}

/// `--yes` answers the question whether to install; the notice of a newer npm would be noise in the log.
fn npx(package: &str, bin: Option<&str>) -> Vec<String> {
    let mut args = vec!["--yes".to_owned(), "--no-update-notifier".to_owned()];
    match bin {
        Some(bin) => args.extend([format!("--package={package}"), "--".to_owned(), bin.to_owned()]),
        None => args.extend(["--".to_owned(), package.to_owned()]),
    }
    args
}

/// A requirement such as `name[extra]==1.0` is no program's name, so it goes behind `--from`.
fn uvx(package: &str, bin: Option<&str>) -> Vec<String> {
    let name = package.split(['[', '=', '<', '>', '~', '!', ' ', ';']).next().unwrap_or(package);
    match bin {
        Some(bin) => vec!["--from".to_owned(), package.to_owned(), bin.to_owned()],
        None if name == package => vec![package.to_owned()],
        None => vec!["--from".to_owned(), package.to_owned(), name.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(launch: &Launch) -> String {
        let Invocation { program, args } = Invocation::new(launch, &["stdio".to_owned()]).unwrap();
        format!("{program} {}", args.join(" "))
    }

    fn node(package: &str, bin: Option<&str>) -> Launch {
        Launch::NodePackage { package: package.to_owned(), bin: bin.map(str::to_owned) }
    }

    fn python(package: &str, bin: Option<&str>) -> Launch {
        Launch::PythonPackage { package: package.to_owned(), bin: bin.map(str::to_owned) }
    }

    #[test]
    fn args_come_last() {
        let launch = Launch::Command { argv: vec!["mcpd".to_owned(), "demo-server".to_owned()] };
        assert_eq!(line(&launch), "mcpd demo-server stdio");
    }

    #[test]
    fn node_packages_run_by_npx() {
        assert_eq!(line(&node("a@1", None)), "npx --yes --no-update-notifier -- a@1 stdio");
        let renamed = node("@leval/mcp-grafana", Some("mcp-grafana"));
        assert_eq!(
            line(&renamed),
            "npx --yes --no-update-notifier --package=@leval/mcp-grafana -- mcp-grafana stdio"
        );
    }

    #[test]
    fn python_packages_run_by_uvx() {
        assert_eq!(line(&python("mcp-server-time", None)), "uvx mcp-server-time stdio");
        assert_eq!(line(&python("mcp-server-time@1.0", None)), "uvx mcp-server-time@1.0 stdio");
        assert_eq!(line(&python("a[cli]==1.0", None)), "uvx --from a[cli]==1.0 a stdio");
        assert_eq!(line(&python("mcp[cli]", Some("mcp"))), "uvx --from mcp[cli] mcp stdio");
    }

    #[test]
    fn a_missing_runner_says_what_to_install() {
        let launch = python("a", None);
        let error =
            Invocation::new(&launch, &[]).unwrap().not_found(&launch, "No such file or directory".to_owned());
        assert_eq!(
            error.to_string(),
            "cannot start \"uvx\": it is not on PATH (install uv, which brings uvx: https://docs.astral.sh/uv)"
        );
    }
}
