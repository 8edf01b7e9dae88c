//! [`run`]: runs a program to its end or to a deadline, and passes its output on line by line.
//!
//! Invariant: when [`run`] returns or unwinds, the program is dead and reaped.
//! A grandchild that keeps the pipes open cannot delay this.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// Interval at which the program is checked for its end while it prints nothing.
const POLL: Duration = Duration::from_millis(20);
/// Time to wait for more output after the program has ended.
const GRACE: Duration = Duration::from_millis(200);

/// The stream of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// End of a program.
#[derive(Debug)]
pub(crate) enum Ending {
    Exited(ExitStatus),
    /// The program was killed at the deadline.
    TimedOut,
}

/// Kills and reaps the child if nothing else has.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Both fail only if the child has been reaped already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `program` with `words` and no input; every line it prints goes to `on_line`, in the order of arrival.
///
/// An error of `on_line` kills the program and is returned.
pub(crate) fn run(
    program: &Path,
    words: &[impl AsRef<OsStr>],
    limit: Duration,
    on_line: &mut dyn FnMut(Stream, &str) -> io::Result<()>,
) -> io::Result<Ending> {
    let deadline = Instant::now() + limit;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Guard(command.spawn()?);
    let (sender, lines) = mpsc::channel();
    if let Some(pipe) = child.0.stdout.take() {
        forward_lines(Stream::Out, pipe, sender.clone());
    }
    if let Some(pipe) = child.0.stderr.take() {
        forward_lines(Stream::Err, pipe, sender);
    }

    let mut ended: Option<(ExitStatus, Instant)> = None;
    loop {
        let quiet = match lines.recv_timeout(POLL) {
            Ok((stream, line)) => {
                on_line(stream, &line)?;
                // Everything that was printed before the end is delivered, however slow `on_line` is.
                ended = ended.map(|(status, _)| (status, Instant::now()));
                false
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => {
                if let Some((status, _)) = ended {
                    return Ok(Ending::Exited(status));
                }
                thread::sleep(POLL);
                true
            }
        };
        let now = Instant::now();
        match ended {
            None => {
                ended = child.0.try_wait()?.map(|status| (status, now));
                if ended.is_none() && now >= deadline {
                    return Ok(Ending::TimedOut);
                }
            }
            Some((status, since)) if now >= deadline || (quiet && now >= since + GRACE) => {
                return Ok(Ending::Exited(status));
            }
            Some(_) => {}
        }
    }
}

/// Sends the lines of a pipe until it closes. The thread is not joined, because a grandchild may hold the
/// pipe for ever.
fn forward_lines(stream: Stream, pipe: impl Read + Send + 'static, sender: Sender<(Stream, String)>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
            if sender.send((stream, line)).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}
