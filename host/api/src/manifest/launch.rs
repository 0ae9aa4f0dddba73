//! What a server runs: exactly one of an image, a package, a program of this host, or a URL elsewhere.

use serde::Serialize;

use super::EnvEntry;
use super::env::read_headers;
use crate::bounds::{ARGUMENTS_MAX, PORTS};
use crate::reader::Reader;
use crate::text;

/// What a server runs. On the wire its fields stand flat in the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Launch {
    /// A container image.
    Image {
        /// Its reference.
        #[serde(rename = "dockerImage")]
        image: String,
        /// Replaces the entrypoint; empty keeps it.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        command: Vec<String>,
        /// Arguments of the image.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
        /// The port it listens on; there unless the transport is stdio.
        #[serde(skip_serializing_if = "Option::is_none")]
        container_port: Option<u16>,
        /// When the image is pulled.
        #[serde(rename = "imagePullPolicy", skip_serializing_if = "PullPolicy::is_default")]
        pull_policy: PullPolicy,
        /// The secret whose keys `username` and `password` log in at the registry.
        #[serde(rename = "imagePullSecret", skip_serializing_if = "Option::is_none")]
        pull_secret: Option<String>,
    },
    /// A package, run by `npx` or `uvx`.
    Package {
        /// Its name, with a version where wanted.
        #[serde(rename = "packageName")]
        package: String,
        /// Who runs it.
        runtime: PackageRuntime,
        /// The program of the package, where it is called otherwise.
        #[serde(skip_serializing_if = "Option::is_none")]
        bin: Option<String>,
        /// Arguments of the program.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
        /// Working folder; by default one of its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        cwd: Option<String>,
        /// The port it listens on where a runner image runs it.
        #[serde(skip_serializing_if = "Option::is_none")]
        container_port: Option<u16>,
    },
    /// A process of this host.
    Command {
        /// The program and its first arguments; never empty. `mcpd` is the running program itself.
        command: Vec<String>,
        /// Further arguments.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        args: Vec<String>,
        /// Working folder; by default one of its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        cwd: Option<String>,
    },
    /// A server that somebody else runs.
    External {
        /// Its MCP endpoint.
        #[serde(rename = "externalUrl")]
        url: String,
        /// Sent with every request.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        headers: Vec<EnvEntry>,
    },
}

impl Launch {
    /// The field of the manifest that names it.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Image { .. } => "dockerImage",
            Self::Package { .. } => "packageName",
            Self::Command { .. } => "command",
            Self::External { .. } => "externalUrl",
        }
    }
}

/// Who runs a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageRuntime {
    /// `npx`
    Node,
    /// `uvx`
    Python,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum PullPolicy {
    /// When the engine does not have it.
    #[default]
    IfNotPresent,
    /// Before every start.
    Always,
    /// Never; an image that is not there is a failed attempt.
    Never,
}

impl PullPolicy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// All fields that any launch may have, before it is known which one it is.
struct Fields {
    image: Option<String>,
    package: Option<String>,
    url: Option<String>,
    runtime: Option<PackageRuntime>,
    bin: Option<String>,
    command: Vec<String>,
    args: Vec<String>,
    cwd: Option<String>,
    container_port: Option<u16>,
    pull_policy: Option<PullPolicy>,
    pull_secret: Option<String>,
    headers: Vec<EnvEntry>,
}

/// Fields that only some launches have, with the launches that have them.
const APPLIES: [(&str, &[&str]); 11] = [
    ("args", &["dockerImage", "packageName", "command"]),
    ("env", &["dockerImage", "packageName", "command"]),
    ("runtime", &["packageName"]),
    ("bin", &["packageName"]),
    ("cwd", &["packageName", "command"]),
    ("containerPort", &["dockerImage", "packageName"]),
    ("imagePullPolicy", &["dockerImage"]),
    ("imagePullSecret", &["dockerImage"]),
    ("readOnlyRootFilesystem", &["dockerImage", "packageName"]),
    ("volumes", &["dockerImage", "packageName"]),
    ("headers", &["externalUrl"]),
];

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Launch> {
    let fields = read_fields(reader);
    let named: Vec<_> =
        ["dockerImage", "packageName", "externalUrl"].into_iter().filter(|field| reader.has(field)).collect();
    match named.as_slice() {
        [] if reader.has("command") => finish(reader, "command", fields),
        [] => {
            reader.wrong("", "says not what to run: one of dockerImage, packageName, command, externalUrl");
            None
        }
        ["dockerImage"] => finish(reader, "dockerImage", fields),
        [field] if reader.has("command") => {
            reader.wrong("", format!("has both {field} and command, exactly one says what to run"));
            None
        }
        [field] => finish(reader, field, fields),
        several => {
            let words = format!("has {}, exactly one says what to run", several.join(" and "));
            reader.wrong("", words);
            None
        }
    }
}

fn read_fields(reader: &mut Reader<'_>) -> Fields {
    let runtimes = [("node", PackageRuntime::Node), ("python", PackageRuntime::Python)];
    let policies = [
        ("IfNotPresent", PullPolicy::IfNotPresent),
        ("Always", PullPolicy::Always),
        ("Never", PullPolicy::Never),
    ];
    Fields {
        image: reader.filled("dockerImage", &text::WORD),
        package: reader.filled("packageName", &text::WORD),
        runtime: reader.word("runtime", &runtimes),
        bin: reader.filled("bin", &text::WORD),
        url: reader.filled("externalUrl", &text::URL),
        headers: read_headers(reader),
        command: reader.texts("command", ARGUMENTS_MAX, &text::ANY),
        args: reader.texts("args", ARGUMENTS_MAX, &text::ANY),
        cwd: reader.filled("cwd", &text::PATH),
        container_port: reader.integer("containerPort", PORTS).and_then(|port| u16::try_from(port).ok()),
        pull_policy: reader.word("imagePullPolicy", &policies),
        pull_secret: reader.filled("imagePullSecret", &text::NAME),
    }
}

/// Builds the one launch that `field` names. What is missing here was reported when it was read, except
/// for `runtime`.
fn finish(reader: &Reader<'_>, field: &str, fields: Fields) -> Option<Launch> {
    refuse_what_does_not_apply(reader, field);
    let Fields { command, args, cwd, container_port, .. } = fields;
    match field {
        "dockerImage" => {
            let pull_policy = fields.pull_policy.unwrap_or_default();
            let (image, pull_secret) = (fields.image?, fields.pull_secret);
            Some(Launch::Image { image, command, args, container_port, pull_policy, pull_secret })
        }
        "packageName" => {
            if !reader.has("runtime") {
                reader.wrong("runtime", "is missing, packageName needs node or python");
            }
            let (package, runtime) = (fields.package?, fields.runtime?);
            Some(Launch::Package { package, runtime, bin: fields.bin, args, cwd, container_port })
        }
        "command" => {
            if command.first().is_some_and(String::is_empty) {
                reader.wrong("command", "begins with an empty string instead of a program");
            }
            Some(Launch::Command { command, args, cwd })
        }
        _ => Some(Launch::External { url: fields.url?, headers: fields.headers }),
    }
}

fn refuse_what_does_not_apply(reader: &Reader<'_>, launch: &str) {
    for (field, launches) in APPLIES {
        if reader.has(field) && !launches.contains(&launch) {
            reader.wrong(field, format!("does not go with {launch}, only with {}", launches.join(", ")));
        }
    }
}
