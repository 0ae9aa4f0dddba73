//! Reaches for what WASI has elsewhere: environment, arguments, files, random bytes; or leaves by `exit`.

use mcpd_probe_sdk::{Description, Failure, Probe, Verdict, export_probe, pass, target};

use bindings::wasi::cli::{environment, exit, stdout};
use bindings::wasi::filesystem::preopens;

mod bindings {
    wit_bindgen::generate!({
        inline: r#"
            package hostile:wasi;

            world reach {
                import wasi:cli/environment@0.2.0;
                import wasi:cli/exit@0.2.0;
                import wasi:cli/stdout@0.2.0;
                import wasi:filesystem/preopens@0.2.0;
            }

            package wasi:cli@0.2.0 {
                interface environment {
                    get-environment: func() -> list<tuple<string, string>>;
                    get-arguments: func() -> list<string>;
                }
                interface exit {
                    exit: func(status: result);
                }
                interface stdout {
                    use wasi:io/streams@0.2.0.{output-stream};
                    get-stdout: func() -> output-stream;
                }
            }

            package wasi:io@0.2.0 {
                interface error {
                    resource error;
                }
                interface streams {
                    use error.{error};
                    variant stream-error { last-operation-failed(error), closed }
                    resource output-stream {
                        blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
                    }
                }
            }

            package wasi:filesystem@0.2.0 {
                interface types {
                    resource descriptor;
                }
                interface preopens {
                    use types.{descriptor};
                    get-directories: func() -> list<tuple<descriptor, string>>;
                }
            }
        "#,
        world: "hostile:wasi/reach",
        generate_all,
    });
}

struct Hostile;

impl Probe for Hostile {
    fn describe() -> Description {
        Description::new("hostile-wasi", "0.1.0", "reaches out")
    }

    fn run() -> Result<Verdict, Failure> {
        if target::config().contains("exit") {
            exit::exit(Ok(()));
        }
        if target::config().contains("print") {
            print();
        }
        let found = environment::get_environment().len()
            + environment::get_arguments().len()
            + preopens::get_directories().len();
        Ok(pass(format!("{found} found")))
    }
}

/// Far more than anybody keeps; a full pipe must not end the check.
fn print() {
    let stdout = stdout::get_stdout();
    for _ in 0..1_000 {
        let _ = stdout.blocking_write_and_flush(&[b'x'; 4096]);
    }
}

export_probe!(Hostile);
