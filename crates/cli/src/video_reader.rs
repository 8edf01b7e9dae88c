//! [`VideoReader`]: the frames of a video, a camera or a stream, decoded by the program `ffmpeg`.
//!
//! `ffmpeg` runs as a process of its own, so a damaged video cannot harm this one. It writes one PPM picture for each
//! frame, whose header gives the size.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use bonsai_data::RgbImage;
use serde::Deserialize;

use crate::last_words::LastWords;

/// Largest side of a frame.
const LARGEST_SIDE: u32 = 16_384;

/// What is known of a video before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct VideoFacts {
    /// Frames per second.
    pub(crate) rate: f64,
    /// Number of frames, if the file knows it.
    pub(crate) frames: Option<u64>,
}

/// Decodes the frames of a video one after the other.
pub(crate) struct VideoReader {
    child: Arc<Mutex<Child>>,
    frames: BufReader<ChildStdout>,
    last_words: LastWords,
}

impl VideoReader {
    /// Starts `ffmpeg` on a source with the facts that [`probe`] found.
    ///
    /// # Errors
    /// If `ffmpeg` cannot be started.
    pub(crate) fn open(source: &Path, facts: VideoFacts) -> Result<Self> {
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error"]).args(input(source));
        // A constant rate, so that a video that is written from the frames has the same length.
        command.args(["-an", "-sn", "-dn", "-map", "0:v:0", "-r", &facts.rate.to_string()]);
        command.args(["-pix_fmt", "rgb24", "-f", "image2pipe", "-c:v", "ppm", "-"]);
        let (mut child, last_words) = start(&mut command)?;
        let frames = BufReader::new(child.stdout.take().context("ffmpeg has no output")?);
        Ok(Self { child: Arc::new(Mutex::new(child)), frames, last_words })
    }

    /// Ends the process when it is dropped, so that a reader in another thread stops waiting for a frame.
    pub(crate) fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.child))
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// If `ffmpeg` failed; the error has its last words.
    pub(crate) fn next(&mut self) -> Result<Option<RgbImage>> {
        if self.frames.fill_buf().context("cannot read frames from ffmpeg")?.is_empty() {
            let status = locked(&self.child).wait().context("cannot wait for ffmpeg")?;
            let words = self.last_words.take();
            ensure!(status.success(), "ffmpeg ended with {status}: {words}");
            if !words.is_empty() {
                tracing::warn!("ffmpeg: {words}");
            }
            return Ok(None);
        }
        let picture = self.picture().context("ffmpeg wrote an incomplete frame")?;
        Ok(Some(picture))
    }

    /// Reads a picture: `P6`, width, height and 255, each followed by one white space, and the pixels.
    fn picture(&mut self) -> Result<RgbImage> {
        let magic = self.word()?;
        ensure!(magic == "P6", "a frame begins with `{magic}`, expected `P6`");
        let number = |word: String| {
            word.parse::<u32>().with_context(|| format!("`{word}` in the header of a frame is no number"))
        };
        let (width, height, most) = (number(self.word()?)?, number(self.word()?)?, number(self.word()?)?);
        let sides = 1..=LARGEST_SIDE;
        ensure!(
            sides.contains(&width) && sides.contains(&height) && most == 255,
            "a frame has {width} x {height} pixels of {most} values; expected sides of 1 to {LARGEST_SIDE} and 255"
        );
        let mut pixels = vec![0; width as usize * height as usize * 3];
        self.frames.read_exact(&mut pixels)?;
        RgbImage::from_raw(width, height, pixels).context("the size of a frame and its pixels differ")
    }

    fn word(&mut self) -> Result<String> {
        let mut word = String::new();
        loop {
            let mut byte = [0];
            self.frames.read_exact(&mut byte)?;
            if byte[0].is_ascii_whitespace() {
                return Ok(word);
            }
            ensure!(word.len() < 10, "the header of a frame is too long: `{word}`");
            word.push(char::from(byte[0]));
        }
    }
}

impl Drop for VideoReader {
    fn drop(&mut self) {
        drop(self.stopper());
    }
}

/// See [`VideoReader::stopper`].
pub(crate) struct Stopper(Arc<Mutex<Child>>);

impl Drop for Stopper {
    fn drop(&mut self) {
        let mut child = locked(&self.0);
        // Both fail if the process has ended.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn locked(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a program of ffmpeg; its complaints are kept.
pub(crate) fn start(command: &mut Command) -> Result<(Child, LastWords)> {
    let program = command.get_program().to_string_lossy().into_owned();
    // A group of its own, so that Ctrl-C reaches only this program, which then ends the video in order.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match child {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "videos are read and written with ffmpeg, and `{program}` is not on the PATH: install it (Debian and Ubuntu: `apt \
             install ffmpeg`; macOS: `brew install ffmpeg`; Windows: `winget install ffmpeg`)"
        ),
        child => child.with_context(|| format!("cannot start `{program}`"))?,
    };
    let complaints = child.stderr.take().context("a process has no error output")?;
    Ok((child, LastWords::of(complaints)))
}

/// The arguments that name the source: a camera of Linux, or anything that ffmpeg opens by its name.
fn input(source: &Path) -> Vec<OsString> {
    let text = source.to_string_lossy();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if (is_number && !source.exists()) || text.starts_with("/dev/video") {
        let camera = if is_number { format!("/dev/video{text}") } else { text.into_owned() };
        return ["-f", "v4l2", "-i", &camera].map(Into::into).into();
    }
    // A file name that begins with `-` or contains `:` would have another meaning.
    let mut name = OsString::from(if source.is_file() { "file:" } else { "" });
    name.push(source);
    vec!["-i".into(), name]
}

#[derive(Deserialize)]
struct Probed {
    #[serde(default)]
    streams: Vec<ProbedStream>,
    format: Option<ProbedFormat>,
}

#[derive(Deserialize)]
struct ProbedStream {
    avg_frame_rate: Option<String>,
    r_frame_rate: Option<String>,
    nb_frames: Option<String>,
    duration: Option<String>,
}

#[derive(Deserialize)]
struct ProbedFormat {
    duration: Option<String>,
}

/// The rate and number of frames of a video, from `ffprobe`.
///
/// # Errors
/// If `ffprobe` is missing, or the source has no video.
pub(crate) fn probe(source: &Path) -> Result<VideoFacts> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-of", "json", "-select_streams", "v:0", "-show_entries"]);
    command.arg("stream=avg_frame_rate,r_frame_rate,nb_frames,duration:format=duration");
    command.args(input(source)).stdin(Stdio::null());
    let (mut child, mut last_words) = start(&mut command)?;
    let mut text = String::new();
    let mut output = child.stdout.take().context("ffprobe has no output")?;
    output.read_to_string(&mut text).context("cannot read what ffprobe wrote")?;
    let status = child.wait().context("cannot wait for ffprobe")?;
    ensure!(status.success(), "{} cannot be read as a video: {}", source.display(), last_words.take());
    facts(&text).with_context(|| format!("{} has no video", source.display()))
}

fn facts(json: &str) -> Result<VideoFacts> {
    let probed: Probed = serde_json::from_str(json).context("ffprobe wrote no JSON")?;
    let stream = probed.streams.first().context("ffprobe found no stream of pictures")?;
    let rates = [&stream.avg_frame_rate, &stream.r_frame_rate];
    let rate = rates.into_iter().flatten().find_map(|rate| fraction(rate)).unwrap_or(25.0);
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
    let seconds =
        number(&stream.duration).or_else(|| number(&probed.format.as_ref()?.duration)).filter(|s| *s > 0.0);
    let counted = number(&stream.nb_frames).filter(|frames| *frames > 0.0);
    let frames = counted.or_else(|| Some((seconds? * rate).round())).map(|frames| frames as u64);
    Ok(VideoFacts { rate, frames })
}

/// The value of `30000/1001`; `None` for `0/0`.
fn fraction(text: &str) -> Option<f64> {
    let (above, below) = text.split_once('/').unwrap_or((text, "1"));
    let value = above.parse::<f64>().ok()? / below.parse::<f64>().ok()?;
    (value.is_finite() && (0.01..=1000.0).contains(&value)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_what_is_there() {
        let of = |stream: &str| {
            facts(&format!("{{\"streams\": [{{{stream}}}], \"format\": {{\"duration\": \"4.0\"}}}}")).unwrap()
        };
        assert_eq!(
            of("\"avg_frame_rate\": \"30000/1001\", \"nb_frames\": \"100\""),
            VideoFacts { rate: 30000.0 / 1001.0, frames: Some(100) }
        );
        // Containers such as Matroska do not count frames.
        assert_eq!(
            of("\"avg_frame_rate\": \"0/0\", \"r_frame_rate\": \"10/1\""),
            VideoFacts { rate: 10.0, frames: Some(40) }
        );
        assert_eq!(facts("{\"streams\": [{}]}").unwrap(), VideoFacts { rate: 25.0, frames: None });
        assert!(facts("{\"streams\": []}").unwrap_err().to_string().contains("no stream of pictures"));
        assert_eq!([fraction("1/0"), fraction("-1"), fraction("x"), fraction("1e9")], [None; 4]);
    }

    #[test]
    fn a_camera_is_a_number_or_a_device() {
        let words = |source: &str| -> Vec<String> {
            input(Path::new(source)).into_iter().map(|word| word.into_string().unwrap()).collect()
        };
        assert_eq!(words("3"), ["-f", "v4l2", "-i", "/dev/video3"]);
        assert_eq!(words("/dev/video1"), ["-f", "v4l2", "-i", "/dev/video1"]);
        assert_eq!(words("rtsp://host/stream"), ["-i", "rtsp://host/stream"]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.mp4");
        std::fs::write(&file, "").unwrap();
        assert_eq!(words(file.to_str().unwrap()), ["-i".to_owned(), format!("file:{}", file.display())]);
    }
}
