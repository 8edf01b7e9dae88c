//! [`VideoWriter`]: a video of pictures, encoded by the program `ffmpeg`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use bonsai_data::RgbImage;
use tempfile::TempPath;

use crate::last_words::LastWords;
use crate::video_reader::start;

/// Writes the pictures of a video; the file appears when [`finish`](Self::finish) succeeds.
pub(crate) struct VideoWriter {
    child: Child,
    last_words: LastWords,
    size: (u32, u32),
    /// The file that ffmpeg writes; removed unless the video is finished.
    partial: Option<TempPath>,
    path: PathBuf,
}

impl VideoWriter {
    /// Starts a video in MP4 at `path`, with pictures of `size` and `rate` pictures per second; `codec` comes from
    /// [`encoder`].
    ///
    /// # Errors
    /// If `ffmpeg` cannot be started.
    pub(crate) fn create(path: &Path, size: (u32, u32), rate: f64, codec: &[&str]) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut partial = tempfile::Builder::new();
        partial.prefix(".bonsai-video-").suffix(".mp4");
        // A temporary file is private to its owner, but a video must be readable like other files.
        #[cfg(unix)]
        partial.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let partial = partial.tempfile_in(folder);
        let partial = partial
            .with_context(|| format!("cannot create a file in {}", folder.display()))?
            .into_temp_path();
        let mut command = Command::new("ffmpeg");
        command.args(["-y", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]);
        command.args(["-s", &format!("{}x{}", size.0, size.1), "-r", &rate.to_string(), "-i", "-"]);
        // The pixel format that every player reads needs even sides.
        command.args(["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]);
        command.args(codec).args(["-f", "mp4"]).arg(partial.as_os_str()).stdin(Stdio::piped());
        let (child, last_words) = start(&mut command)?;
        Ok(Self { child, last_words, size, partial: Some(partial), path: path.to_owned() })
    }

    /// Adds a picture.
    ///
    /// # Errors
    /// If its size differs from that of the video, or `ffmpeg` failed; the error has its last words.
    pub(crate) fn add(&mut self, picture: &RgbImage) -> Result<()> {
        ensure!(
            picture.dimensions() == self.size,
            "a frame has {:?} pixels, but the video began with {:?}",
            picture.dimensions(),
            self.size
        );
        let input = self.child.stdin.as_mut().context("ffmpeg has no input")?;
        if let Err(error) = input.write_all(picture.as_raw()) {
            let _ = self.child.wait();
            let words = self.last_words.take();
            return Err(error).with_context(|| format!("ffmpeg does not take frames: {words}"));
        }
        Ok(())
    }

    /// Ends the video, and gives the file its name.
    ///
    /// # Errors
    /// If `ffmpeg` failed, or the file cannot be renamed.
    pub(crate) fn finish(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait().context("cannot wait for ffmpeg")?;
        let words = self.last_words.take();
        ensure!(
            status.success(),
            "ffmpeg ended with {status} while it wrote {}: {words}",
            self.path.display()
        );
        // The path is taken out, so that the file is not removed.
        let partial = self.partial.take().context("a video ends once")?;
        partial.persist(&self.path).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Drop for VideoWriter {
    fn drop(&mut self) {
        // Both fail after `finish`. Then the temporary file is removed, if it is still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The encoder: H.264, which browsers play, or the one that every ffmpeg has. The default preset of H.264 would take
/// longer than the network.
///
/// # Errors
/// If `ffmpeg` cannot be asked.
pub(crate) fn encoder() -> Result<&'static [&'static str]> {
    let mut command = Command::new("ffmpeg");
    let (child, _) = start(command.args(["-nostdin", "-hide_banner", "-encoders"]))?;
    let output = child.wait_with_output().context("cannot ask ffmpeg for its encoders")?;
    let has = String::from_utf8_lossy(&output.stdout).contains(" libx264 ");
    Ok(if has { &["-c:v", "libx264", "-preset", "superfast"] } else { &["-c:v", "mpeg4", "-q:v", "4"] })
}
