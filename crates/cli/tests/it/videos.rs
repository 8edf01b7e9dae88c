//! `predict` on videos: with stand-ins for ffmpeg, which always run, and with ffmpeg itself where it is installed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bonsai_testkit::imported;
use serde_json::Value;

struct Case(tempfile::TempDir);

impl Case {
    fn new() -> Self {
        let case = Self(tempfile::tempdir().unwrap());
        fs::write(case.at("best.pt"), imported("old")).unwrap();
        case
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a shell script into the folder `bin`.
    fn program(&self, name: &str, script: &str) {
        fs::create_dir_all(self.at("bin")).unwrap();
        let file = self.at(&format!("bin/{name}"));
        fs::write(&file, format!("#!/bin/sh\n{script}")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The names in the folder of pictures.
    fn pictures(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.at("seen")) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs `predict` with a PATH.
    fn predict(&self, path: &str, words: &[&str]) -> Output {
        let weights = self.at("best.pt");
        let given = ["predict", "--weights", weights.to_str().unwrap(), "--conf", "0", "--max-det", "3"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_bonsai"));
        command.args(given).args(words).current_dir(self.0.path()).env("PATH", path).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A frame as PPM.
fn picture(shade: u8) -> Vec<u8> {
    let mut bytes = b"P6\n32 16\n255\n".to_vec();
    bytes.extend((0..32 * 16 * 3).map(|at: u32| (at as u8).wrapping_mul(shade)));
    bytes
}

const FACTS: &str = r#"echo '{"streams": [{"avg_frame_rate": "10/1", "nb_frames": "5"}]}'"#;

/// Stand-ins: `ffmpeg` writes `frames.ppm`, or copies what it is given into its last argument.
fn with_stand_ins(case: &Case) -> String {
    case.program("ffprobe", FACTS);
    case.program(
        "ffmpeg",
        "for last; do :; done\ncase \"$*\" in\n*-encoders*) echo ' V..... libx264 H.264' ;;\n*image2pipe*) cat frames.ppm; cat \
         complaint >&2; exit $(cat code) ;;\n*) cat > \"$last\" ;;\nesac\n",
    );
    fs::write(case.at("frames.ppm"), (1..=5).flat_map(picture).collect::<Vec<u8>>()).unwrap();
    fs::write(case.at("complaint"), "").unwrap();
    fs::write(case.at("code"), "0").unwrap();
    fs::write(case.at("v.mp4"), "").unwrap();
    format!("{}:{}", case.at("bin").display(), std::env::var("PATH").unwrap())
}

#[test]
fn frames_give_what_their_pictures_give() {
    let case = Case::new();
    let path = with_stand_ins(&case);
    fs::create_dir(case.at("frames")).unwrap();
    for shade in 1..=5 {
        let pixels = picture(shade).split_off(13);
        let frame = image::RgbImage::from_raw(32, 16, pixels).unwrap();
        frame.save(case.at(&format!("frames/{shade}.png"))).unwrap();
    }
    let images = lines(&case.predict(&path, &["--source", "frames", "--json"]));
    let output = case.predict(&path, &["--source", "v.mp4", "--json", "--out", "seen", "--save-txt"]);
    let frames = lines(&output);
    let found = |all: &[Value]| all.iter().map(|line| line["detections"].clone()).collect::<Vec<_>>();
    assert_eq!(found(&frames), found(&images));
    assert!(found(&frames).iter().any(|found| !found.as_array().unwrap().is_empty()));
    assert_eq!(frames[4]["frame"], 5);
    // Five frames of pixels were written, and a label file for each.
    assert_eq!(fs::metadata(case.at("seen/v.mp4")).unwrap().len(), 5 * 32 * 16 * 3);
    assert!(case.at("seen/labels/v_5.txt").is_file());
    assert_eq!(case.pictures(), ["labels", "v.mp4"]);

    let output = case.predict(&path, &["--source", "v.mp4", "--vid-stride", "2"]);
    let said = text(&output.stdout);
    let numbers: Vec<&str> = said.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    assert_eq!(numbers, ["1", "3", "5"], "{said}");
    assert!(said.starts_with("v.mp4 frame 1 of 5"), "{said}");
}

#[test]
fn a_video_that_fails_leaves_no_file_and_says_why() {
    let case = Case::new();
    let path = with_stand_ins(&case);
    let fails = |words: &[&str], part: &str| {
        let output = case.predict(&path, words);
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(part), "{part}: {said}");
        assert!(case.pictures().is_empty(), "{:?}", case.pictures());
    };
    // Two frames, then an error of the decoder.
    fs::write(case.at("frames.ppm"), [picture(1), picture(2)].concat()).unwrap();
    fs::write(case.at("complaint"), "the third frame is damaged\n").unwrap();
    fs::write(case.at("code"), "1").unwrap();
    fails(&["--source", "v.mp4", "--out", "seen"], "the third frame is damaged");
    fs::write(case.at("frames.ppm"), &picture(1)[..100]).unwrap();
    fails(&["--source", "v.mp4", "--out", "seen"], "incomplete frame");
    fs::write(case.at("frames.ppm"), "P6\n99999 99999\n255\n").unwrap();
    fails(&["--source", "v.mp4"], "expected sides of 1 to");
    case.program("ffprobe", "echo 'moov atom not found' >&2; exit 1");
    fails(&["--source", "v.mp4"], "cannot be read as a video: moov atom not found");
    fails(&["--source", "frames.png", "--vid-stride", "2"], "--vid-stride is for videos");
    // Without ffmpeg, the error says what to install; images need none.
    let output = case.predict("", &["--source", "v.mp4"]);
    assert!(text(&output.stderr).contains("apt install ffmpeg"), "{}", text(&output.stderr));
}

#[test]
fn a_stream_that_stalls_is_stopped_by_ctrl_c_and_keeps_what_was_seen() {
    let case = Case::new();
    let path = with_stand_ins(&case);
    case.program(
        "ffmpeg",
        "for last; do :; done\ncase \"$*\" in\n*-encoders*) ;;\n*image2pipe*) cat frames.ppm; exec sleep 100 ;;\n*) cat > \
         \"$last\" ;;\nesac\n",
    );
    let weights = case.at("best.pt");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bonsai"));
    command.args(["predict", "--conf", "0", "--source", "v.mp4", "--out", "seen", "--weights"]).arg(weights);
    command.current_dir(case.0.path()).env("PATH", path).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    // All five frames were seen, and no sixth arrives.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert!(lines.by_ref().take(5).all(|line| line.unwrap().contains("frame")));
    let start = std::time::Instant::now();
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(start.elapsed().as_secs() < 50, "it waited for the stream");
    assert_eq!(fs::metadata(case.at("seen/v.mp4")).unwrap().len(), 5 * 32 * 16 * 3);
}

#[test]
fn a_video_of_ffmpeg_is_read_and_written() {
    let is_there = |program: &str| Command::new(program).arg("-version").output().is_ok();
    if !is_there("ffmpeg") || !is_there("ffprobe") {
        eprintln!("skipped: ffmpeg is not installed");
        return;
    }
    let case = Case::new();
    let path = std::env::var("PATH").unwrap();
    let ffmpeg = |words: &str| {
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error"]).args(words.split(' ')).current_dir(case.0.path());
        assert!(command.status().unwrap().success(), "{words}");
    };
    ffmpeg("-f lavfi -i testsrc=duration=2:size=63x47:rate=6 -c:v mpeg4 v.avi");
    fs::create_dir(case.at("frames")).unwrap();
    ffmpeg("-i v.avi frames/%03d.png");
    let images = lines(&case.predict(&path, &["--source", "frames", "--json"]));
    let frames = lines(&case.predict(&path, &["--source", "v.avi", "--json", "--out", "seen"]));
    assert_eq!((frames.len(), images.len()), (12, 12));
    for (frame, image) in frames.iter().zip(&images) {
        assert_eq!(frame["detections"], image["detections"], "{frame}");
    }
    fs::create_dir(case.at("again")).unwrap();
    ffmpeg("-i seen/v.mp4 again/%03d.png");
    let written = fs::read_dir(case.at("again")).unwrap().count();
    assert_eq!(written, 12);
    // Odd sides are padded.
    let size = image::image_dimensions(Path::new(&case.at("again/001.png"))).unwrap();
    assert_eq!(size, (64, 48));
}
