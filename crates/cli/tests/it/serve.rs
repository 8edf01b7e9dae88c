//! `serve`: requests of another program on standard input.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use bonsai_testkit::imported;
use serde_json::{Value, json};

use crate::program::misuse;

const SIZE: (u32, u32) = (50, 30);

struct Case(tempfile::TempDir);

impl Case {
    fn new() -> Self {
        let case = Self(tempfile::tempdir().unwrap());
        fs::write(case.at("best.pt"), imported("old")).unwrap();
        picture().save(case.at("a.png")).unwrap();
        case
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bonsai"));
        command.args(words).args(["--weights", "best.pt", "--conf", "0", "--max-det", "3"]);
        command.current_dir(self.0.path());
        command
    }

    fn serve(&self, words: &[&str]) -> Served {
        let mut command = self.command(&[&["serve", "--stdin"], words].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut served = Served { child, input, output, ready: Value::Null };
        served.ready = served.line();
        served
    }

    /// The detections that `predict` prints for an image.
    fn predicted(&self, image: &str) -> Value {
        let output = self.command(&["predict", "--json", "--source", image]).output().unwrap();
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        line["detections"].clone()
    }
}

/// A running program.
struct Served {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    ready: Value,
}

impl Served {
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    fn send(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// The answer to a request; the input stays open, so an answer that is not written at once would hang here.
    fn ask(&mut self, request: &Value, body: &[u8]) -> Value {
        self.send(&[format!("{request}\n").as_bytes(), body].concat());
        self.line()
    }

    /// Ends the input; the exit code, the rest of the output, and the errors.
    fn end(mut self) -> (Option<i32>, String, String) {
        drop(self.input.take());
        let (mut rest, mut errors) = (String::new(), String::new());
        self.output.read_to_string(&mut rest).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap().code(), rest, errors)
    }
}

fn picture() -> image::RgbImage {
    image::RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| image::Rgb([x as u8 * 5, y as u8 * 8, (x * y) as u8]))
}

#[test]
fn paths_pixels_and_files_give_the_detections_of_predict() {
    let case = Case::new();
    let expected = case.predicted("a.png");
    assert_eq!(expected.as_array().map(Vec::len), Some(3), "{expected}");
    let mut served = case.serve(&[]);
    let ready = served.ready.clone();
    assert_eq!((&ready["ready"], &ready["protocol"]), (&json!(true), &json!(1)), "{ready}");
    assert_eq!(ready["version"], env!("CARGO_PKG_VERSION"));
    let names = ready["names"].as_array().unwrap();
    assert!(expected.as_array().unwrap().iter().all(|found| names.contains(&found["name"])), "{ready}");
    assert!(ready["imgsz"].as_u64().is_some_and(|imgsz| imgsz > 0) && ready["max_bytes"] == 402_653_184);

    let pixels = picture().into_raw();
    let size = json!({ "width": SIZE.0, "height": SIZE.1, "bytes": pixels.len() });
    let with = |id: Value, format: &str| {
        let mut request = size.clone();
        (request["id"], request["format"]) = (id, format.into());
        request
    };
    let mut bgr = pixels.clone();
    bgr.chunks_exact_mut(3).for_each(<[u8]>::reverse);
    let file = fs::read(case.at("a.png")).unwrap();
    for (request, body) in [
        (json!({ "id": 1, "path": "a.png" }), &[][..]),
        (with(json!("two"), "rgb8"), &pixels),
        (with(json!(null), "bgr8"), &bgr),
        (json!({ "id": [4], "format": "file", "bytes": file.len() }), &file),
    ] {
        let answer = served.ask(&request, body);
        assert_eq!((&answer["id"], &answer["detections"]), (&request["id"], &expected), "{request}");
        assert!(answer["milliseconds"].as_f64().is_some_and(|time| time > 0.0), "{answer}");
    }
    // Other pixels are other detections, so that the test can fail.
    assert_ne!(served.ask(&with(json!(5), "rgb8"), &bgr)["detections"], expected);
    assert_eq!(served.end(), (Some(0), String::new(), String::new()));
}

#[test]
fn requests_are_answered_in_their_order() {
    let case = Case::new();
    let mut served = case.serve(&[]);
    let expected = served.ask(&json!({ "path": "a.png" }), &[])["detections"].clone();
    // Written before any answer is read.
    let requests =
        "{\"id\":0,\"path\":\"a.png\"}\n{\"id\":1,\"path\":\"gone.png\"}\n\n{\"id\":2,\"path\":\"a.png\"}";
    served.send(requests.as_bytes());
    let (code, rest, _) = served.end();
    let answers: Vec<Value> = rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, answers.len()), (Some(0), 3), "{rest}");
    assert!(answers.iter().enumerate().all(|(id, answer)| answer["id"] == id), "{rest}");
    assert!(answers[0]["detections"] == expected && answers[2]["detections"] == expected, "{rest}");
    assert!(answers[1]["error"].as_str().is_some_and(|error| error.contains("gone.png")), "{rest}");
}

#[test]
fn a_bad_request_is_answered_and_the_next_one_served() {
    let case = Case::new();
    let mut served = case.serve(&[]);
    let wide = u32::MAX;
    let body = [1; 12];
    for (request, body, why) in [
        (json!({ "id": 1 }), &[][..], "needs `path`"),
        (json!({ "id": 2, "path": "a.png", "conf": 0.5 }), &[], "unknown field `conf`"),
        (
            json!({ "id": 3, "width": 2, "height": 1, "format": "rgb8", "bytes": 12 }),
            &body,
            "has 6 bytes, but 12",
        ),
        (
            json!({ "id": 4, "width": wide, "height": wide, "format": "rgb8", "bytes": 12 }),
            &body,
            "at most 134217728",
        ),
    ] {
        let answer = served.ask(&request, body);
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(why)), "{answer}");
        assert!(answer["id"] == request["id"] && answer["fatal"].is_null(), "{answer}");
    }
    let answer = served.ask(&json!({ "id": 5, "path": "a.png" }), &[]);
    assert!(answer["detections"].is_array(), "{answer}");
    assert_eq!(served.end().0, Some(0));
}

#[test]
fn a_line_that_is_no_request_ends_the_program() {
    let case = Case::new();
    let mut served = case.serve(&[]);
    served.send(b"a.png\n");
    let answer = served.line();
    assert!(answer["fatal"] == true && answer["id"].is_null(), "{answer}");
    let (code, rest, errors) = served.end();
    assert_eq!((code, rest.as_str()), (Some(1), ""));
    assert!(errors.starts_with("error: ") && errors.contains("a line begins with \"a.png\\n\""), "{errors}");

    let mut served = case.serve(&[]);
    served.send(b"{\"width\":9,\"height\":9,\"format\":\"rgb8\",\"bytes\":243}\nshort");
    let (code, rest, errors) = served.end();
    assert_eq!(code, Some(1), "{rest}");
    assert!(errors.contains("238 are missing") && rest.contains("238 are missing"), "{errors}{rest}");
}

#[test]
fn a_reader_that_goes_away_ends_the_program() {
    let case = Case::new();
    let Served { mut child, input, output, .. } = case.serve(&[]);
    drop(output);
    // The input stays open: the program must notice that nobody reads its answer.
    let mut input = input.unwrap();
    input.write_all(b"{\"path\":\"a.png\"}\n").unwrap();
    let code = child.wait().unwrap().code();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((code, errors.as_str()), (Some(0), ""));
}

#[test]
fn options_are_checked_before_the_program_is_ready() {
    let case = Case::new();
    let served = case.serve(&["--classes", "0", "--threads", "1"]);
    assert_eq!(served.end().0, Some(0));
    let weights = case.at("best.pt");
    let weights = weights.to_str().unwrap();
    assert!(misuse(&["serve", "--weights", weights]).contains("--stdin"));
    assert!(misuse(&["serve", "--stdin", "--weights", weights, "--conf", "2"]).contains("between 0 and 1"));
    assert!(misuse(&["serve", "--stdin", "--weights", weights, "--classes", "no such"]).contains("no such"));
    assert!(misuse(&["serve", "--stdin", "--weights", "gone.pt"]).contains("gone.pt"));
}
