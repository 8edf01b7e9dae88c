//! Tests of finding `trtexec` and reading its capabilities.

use std::ffi::OsString;

use bonsai_tensorrt::{Environment, FindOptions, NotFound, Program, find_tool};

use crate::help::{HELP_8_6, HELP_10, HELP_11, HELP_RTX};
use crate::stand_in::Bench;

#[test]
fn version_and_precision_flags_come_from_the_help() {
    for (help, version, flags) in
        [(HELP_8_6, "8.6.1", true), (HELP_10, "10.16.0", true), (HELP_11, "11.1.0", false)]
    {
        let capabilities = Bench::new(help, "").trtexec().capabilities().clone();
        assert_eq!(capabilities.title(), format!("TensorRT {version}"));
        assert_eq!(capabilities.precision_flags(), flags);
        assert!(capabilities.names("--memPoolSize") && capabilities.names("--skipInference"));
    }
}

#[test]
fn the_tool_of_rtx_is_found_with_and_without_a_banner() {
    let bench = Bench::empty();
    bench.add(Program::TensorrtRtx, HELP_RTX, "");
    let found = bench.tool(Program::TensorrtRtx);
    assert_eq!(found.capabilities().title(), "TensorRT-RTX 1.7.1");
    assert!(!found.capabilities().precision_flags());
    assert!(find_tool(&bench.find_options(Program::Trtexec)).is_err(), "it is no trtexec");

    let (_, without_banner) = HELP_RTX.split_once('\n').unwrap();
    bench.add(Program::TensorrtRtx, without_banner, "");
    assert_eq!(bench.tool(Program::TensorrtRtx).capabilities().title(), "TensorRT-RTX");

    // In the folder that also contains the libraries.
    let environment =
        Environment { rtx_folder: Some(bench.path("").into_os_string()), ..Environment::default() };
    let options =
        FindOptions { environment, usual_folders: Vec::new(), ..FindOptions::new(Program::TensorrtRtx) };
    assert_eq!(find_tool(&options).unwrap().path(), bench.path("bin/tensorrt_rtx"));
}

#[test]
fn the_named_program_wins_then_the_variable_then_path_then_usual_folders() {
    let bench = Bench::empty();
    let place = |name: &str, minor: u32| {
        let help =
            format!("#!/bin/sh\necho '&&&& RUNNING TensorRT.trtexec [TensorRT v10{minor:02}00] # x'\n");
        bench.write_script(&format!("{name}/trtexec"), &help)
    };
    let explicit = place("explicit", 1);
    let variable = place("variable", 2);
    place("in-path", 3);
    place("usual", 4);
    let path = OsString::from(format!(
        "{}::{}",
        bench.path("nothing-here").display(),
        bench.path("in-path").display()
    ));

    let mut options = FindOptions {
        explicit: Some(explicit),
        environment: Environment {
            trtexec: Some(variable.into()),
            path: Some(path),
            ..Environment::default()
        },
        usual_folders: vec![bench.path("usual")],
        ..FindOptions::new(Program::Trtexec)
    };
    let minor = |options: &FindOptions| find_tool(options).unwrap().capabilities().version.unwrap().minor;
    assert_eq!(minor(&options), 1);
    options.explicit = None;
    assert_eq!(minor(&options), 2);
    options.environment.trtexec = Some(OsString::new()); // set but empty counts as unset
    assert_eq!(minor(&options), 3);
    options.environment.path = None;
    assert_eq!(minor(&options), 4);
}

#[test]
fn a_named_program_that_does_not_work_is_an_error_even_if_another_would() {
    let bench = Bench::new(HELP_10, "");
    let options = FindOptions { explicit: Some(bench.path("typo")), ..bench.find_options(Program::Trtexec) };
    let error = find_tool(&options).unwrap_err();
    assert!(matches!(error, NotFound::Unusable { .. }));
    assert!(error.to_string().contains("typo") && error.to_string().contains("no such file"), "{error}");
}

#[test]
fn nowhere_says_where_it_looked_and_what_was_wrong() {
    let bench = Bench::empty();
    bench.write_script(
        "broken/trtexec",
        "#!/bin/sh\necho 'error while loading shared libraries: libnvinfer.so.8' >&2\nexit 127\n",
    );
    let folders = ["absent", "broken"].map(|name| bench.path(name));
    let error =
        find_tool(&FindOptions { usual_folders: folders.to_vec(), ..FindOptions::new(Program::Trtexec) })
            .unwrap_err()
            .to_string();
    for part in ["absent/trtexec (no such file)", "broken/trtexec (error while loading", "TRTEXEC"] {
        assert!(error.contains(part), "{error} does not say {part}");
    }
}

#[test]
fn a_working_program_later_in_path_is_found_behind_a_broken_one() {
    let bench = Bench::new(HELP_11, "");
    bench.write_script("broken/trtexec", "not a program");
    let path = OsString::from(format!("{}:{}", bench.path("broken").display(), bench.path("bin").display()));
    let environment = Environment { path: Some(path), ..Environment::default() };
    let found = find_tool(&FindOptions { environment, ..FindOptions::new(Program::Trtexec) }).unwrap();
    assert_eq!(found.path(), bench.path("bin/trtexec"));
}
