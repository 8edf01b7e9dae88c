//! [`predict_video`]: finds objects in the frames of a video, and writes the video with boxes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use bonsai_data::RgbImage;
use bonsai_stages::Inputs;

use crate::interrupt::Interrupt;
use crate::predict_files::{AHEAD, Found, PredictSettings, Predictor};
use crate::video_reader::{VideoFacts, VideoReader, probe};
use crate::video_writer::{VideoWriter, encoder};

/// Extensions of files that are read as videos, in lower case.
const EXTENSIONS: [&str; 14] =
    ["asf", "avi", "flv", "gif", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ts", "wmv", "webm", "mts"];
/// Largest number of pixels of a GIF whose frames are counted; a larger one is left to the reader of images, which
/// refuses it with a reason.
const LARGEST_GIF: u64 = 1 << 24;
/// Beginnings of addresses of streams.
const STREAMS: [&str; 5] = ["rtsp://", "rtmp://", "http://", "https://", "udp://"];

/// Time after which a request to stop is noticed while no frame arrives.
const PATIENCE: Duration = Duration::from_millis(200);

/// A frame in which objects were looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    /// Number in the video, counted from 1.
    pub(crate) number: u64,
    /// Frames of the video, if it knows them.
    pub(crate) of: Option<u64>,
    /// Seconds that remain, if the number of frames is known.
    pub(crate) seconds_left: Option<f64>,
}

/// Whether a source is a video, a camera (`0`, `/dev/video0`) or the address of a stream. A GIF with a single picture
/// is an image.
pub(crate) fn is_video(source: &Path) -> bool {
    let text = source.to_string_lossy().to_lowercase();
    let is_camera = text.starts_with("/dev/video")
        || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && !source.exists());
    let extension = source.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_file = EXTENSIONS.contains(&extension.as_str()) && !source.is_dir();
    is_camera
        || STREAMS.iter().any(|start| text.starts_with(start))
        || (is_file && (extension != "gif" || has_frames(source)))
}

/// Whether a GIF has at least two pictures.
fn has_frames(gif: &Path) -> bool {
    use image::{AnimationDecoder as _, ImageDecoder as _};
    let Ok(file) = std::fs::File::open(gif) else { return false };
    let decoder = image::codecs::gif::GifDecoder::new(std::io::BufReader::new(file));
    let is_small = |(width, height): (u32, u32)| u64::from(width) * u64::from(height) <= LARGEST_GIF;
    decoder.is_ok_and(|decoder| {
        is_small(decoder.dimensions()) && decoder.into_frames().take(2).flatten().count() == 2
    })
}

/// Finds objects in every `stride`th frame of a video, and calls `each` for it. With a folder for pictures, writes the
/// frames with boxes as a video there; labels and crops are named `VIDEO_FRAME`. A thread decodes frames while the
/// network runs on earlier ones. A request to stop ends the video early, and what was seen until then is kept.
///
/// # Errors
/// If the network or the video cannot be read, or a file cannot be written. What was written of a video that ends with
/// an error is removed.
pub(crate) fn predict_video(
    weights: &Path,
    (source, stride): (&Path, u64),
    settings: &PredictSettings<'_>,
    interrupt: &Interrupt,
    each: &mut dyn FnMut(Frame, Vec<Found>) -> Result<()>,
) -> Result<()> {
    // ffmpeg takes a moment to start, so it is asked while the network is loaded.
    let (mut predictor, facts, codec) = std::thread::scope(|scope| -> Result<_> {
        let facts = scope.spawn(|| probe(source));
        let codec = scope.spawn(|| settings.out.map(|_| encoder()).transpose());
        let predictor = Predictor::open(weights, settings)?;
        Ok((predictor, joined(facts)?, joined(codec)?))
    })?;
    let inputs = [source.to_owned()];
    predictor.crop_from(&inputs);
    let name = video_name(source);
    let target = settings.out.map(|folder| written(source, folder));
    if let Some(file) = &target {
        Inputs::new(&inputs).refuse(file, "pass another folder with --out")?;
    }
    predictor.make_folders()?;
    let rate = facts.rate / stride as f64;
    let reader = VideoReader::open(source, facts)?;
    std::thread::scope(|scope| -> Result<()> {
        // The channels are made in here, so that an early end drops their ends and both threads stop waiting.
        let (sender, decoded) = sync_channel(AHEAD);
        let (painted, to_write) = sync_channel(AHEAD);
        // Dropped at every end, so that the decoder does not wait for a stream that stalls.
        let _stopper = reader.stopper();
        scope.spawn(move || decode(reader, stride, &sender));
        let encoding = target.as_ref().zip(codec);
        let encoding =
            encoding.map(|(file, codec)| scope.spawn(move || encode(to_write, (file, codec), rate)));
        let start = Instant::now();
        let mut done = 0;
        while !interrupt.requested() {
            let (number, frame) = match decoded.recv_timeout(PATIENCE) {
                Ok(next) => next,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut frame: RgbImage = frame?;
            done += 1;
            let file = |extension: &str| OsString::from(format!("{name}_{number}.{extension}"));
            let found = predictor.see(&mut frame, &file("txt"), &file("jpg"))?;
            // The encoder ends early only because of an error, which is returned below.
            if encoding.is_some() && painted.send(Some(frame)).is_err() {
                break;
            }
            each(progress(number, facts, (done, stride), start), found)?;
        }
        // Without this, what was written is removed.
        let _ = painted.send(None);
        encoding.map_or(Ok(()), joined)
    })
}

/// The result of a thread.
fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Sends the frames of a video with their numbers, until the end, an error, or the receiver ends.
fn decode(mut reader: VideoReader, stride: u64, sender: &SyncSender<(u64, Result<RgbImage>)>) {
    for number in 1.. {
        let (frame, is_last) = match reader.next() {
            Ok(Some(_)) if !is_taken(number, stride) => continue,
            Ok(Some(frame)) => (Ok(frame), false),
            Ok(None) => return,
            Err(error) => (Err(error), true),
        };
        if sender.send((number, frame)).is_err() || is_last {
            return;
        }
    }
}

/// Writes frames until `None`; a channel that closes before leaves no file.
fn encode(frames: Receiver<Option<RgbImage>>, (file, codec): (&Path, &[&str]), rate: f64) -> Result<()> {
    let mut writer: Option<VideoWriter> = None;
    for frame in frames {
        let Some(frame) = frame else { return writer.map_or(Ok(()), VideoWriter::finish) };
        let mut current = match writer.take() {
            Some(current) => current,
            None => VideoWriter::create(file, frame.dimensions(), rate, codec)?,
        };
        current.add(&frame)?;
        writer = Some(current);
    }
    Ok(())
}

/// Whether a frame is looked at; the first one is.
fn is_taken(number: u64, stride: u64) -> bool {
    (number - 1).is_multiple_of(stride)
}

fn progress(number: u64, facts: VideoFacts, (done, stride): (u64, u64), start: Instant) -> Frame {
    // The number of frames may be an estimate.
    let of = facts.frames.filter(|frames| *frames >= number);
    let each = start.elapsed().as_secs_f64() / done as f64;
    let seconds_left = of.map(|frames| each * ((frames - number) / stride) as f64);
    Frame { number, of, seconds_left }
}

/// A name for the files of a video.
fn video_name(source: &Path) -> String {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let is_safe = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '+' | '(' | ')');
    let safe: String = stem.chars().map(|c| if is_safe(c) { c } else { '_' }).collect();
    if source.is_file() && !safe.is_empty() { safe } else { format!("stream_{safe}") }
}

/// The path of the video that [`predict_video`] writes.
pub(crate) fn written(source: &Path, folder: &Path) -> PathBuf {
    folder.join(format!("{}.mp4", video_name(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn videos_are_known_by_their_names() {
        let is = |source: &str| is_video(Path::new(source));
        assert!(["a.mp4", "b/C.MOV", "0", "/dev/video2", "rtsp://camera/1"].into_iter().all(is));
        assert!(!["a.jpg", "photos", "photos/*.mp4.png", "", "a.gif"].into_iter().any(is));
    }

    #[test]
    fn a_gif_is_a_video_if_it_moves() {
        let folder = tempfile::tempdir().unwrap();
        let gif = |name: &str, frames: usize| {
            let path = folder.path().join(name);
            let file = std::fs::File::create(&path).unwrap();
            let mut encoder = image::codecs::gif::GifEncoder::new(file);
            for shade in 0..frames {
                let picture = image::RgbaImage::from_pixel(8, 8, image::Rgba([shade as u8 * 90, 0, 0, 255]));
                encoder.encode_frame(image::Frame::new(picture)).unwrap();
            }
            path
        };
        assert!(!is_video(&gif("one.gif", 1)));
        assert!(is_video(&gif("two.gif", 2)));
    }

    #[test]
    fn every_stride_th_frame_is_taken_from_the_first() {
        let taken: Vec<u64> = (1..=7).filter(|number| is_taken(*number, 3)).collect();
        assert_eq!(taken, [1, 4, 7]);
        let facts = VideoFacts { rate: 30.0, frames: Some(7) };
        let frame = progress(4, facts, (2, 3), Instant::now());
        assert_eq!((frame.number, frame.of), (4, Some(7)));
        assert!(frame.seconds_left.is_some_and(|left| left < 1.0));
        // An estimate that is too low is not shown.
        assert_eq!(progress(8, facts, (3, 3), Instant::now()).of, None);
        assert_eq!(video_name(Path::new("rtsp://host/a:b")), "stream_a_b");
    }
}
