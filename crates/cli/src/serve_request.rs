//! [`Request`] and [`read_request`]: the requests of `serve`, as lines of JSON with bytes after them.
//!
//! `bytes` in a line says how many bytes follow it. They are read or skipped even if the request is refused, so that
//! the next line is found. A line from which this number cannot be read ends the reading.

use std::io::{BufRead, Read as _};
use std::path::PathBuf;

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use bonsai_data::{RgbImage, decode, decode_bytes};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Most bytes of a line.
const LONGEST_LINE: u64 = 1 << 16;
/// Most pixels of an image, as in an image file.
const MOST_PIXELS: u64 = 1 << 27;
/// Most bytes after a line, which are those of the largest image.
pub(crate) const MOST_BYTES: u64 = 3 * MOST_PIXELS;
/// Characters of a wrong line that an error shows.
const SHOWN: usize = 60;

/// A request, with its image if that could be read.
#[derive(Debug)]
pub(crate) struct Request {
    /// Name that the answer repeats; null if the request has none.
    pub(crate) id: Value,
    /// The image, or the reason why there is none.
    pub(crate) image: Result<RgbImage>,
}

/// Fields of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default, rename = "id")]
    _id: Value,
    path: Option<PathBuf>,
    width: Option<u32>,
    height: Option<u32>,
    format: Option<Format>,
    bytes: Option<u64>,
}

/// What the bytes after a line are.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Rows of red, green and blue.
    Rgb8,
    /// Rows of blue, green and red.
    Bgr8,
    /// The content of an image file.
    File,
}

/// The source of the image of a valid request.
enum Source {
    Path(PathBuf),
    Pixels { size: (u32, u32), is_bgr: bool },
    File,
}

/// Reads the next request and its image; `None` at the end of the input. Empty lines are skipped.
///
/// # Errors
/// If the input cannot be read, ends within a request, or has a line that is not a request: what follows it cannot be
/// told apart, so the caller must stop.
pub(crate) fn read_request(input: &mut impl BufRead) -> Result<Option<Request>> {
    let Some(line) = read_line(input)? else { return Ok(None) };
    let fields: Map<String, Value> = serde_json::from_slice(&line).map_err(|error| {
        let text: String = String::from_utf8_lossy(&line).chars().take(SHOWN).collect();
        anyhow!(
            "a request must be a line with a JSON object, such as {{\"path\":\"a.jpg\"}}, but a line begins with \
             {text:?}: {error}"
        )
    })?;
    let count = match fields.get("bytes") {
        None | Some(Value::Null) => 0,
        Some(value) => value.as_u64().with_context(|| {
            format!("`bytes` must be the number of bytes that follow the line, from 0, but is {value}")
        })?,
    };
    let id = fields.get("id").cloned().unwrap_or_default();
    let mut body = input.take(count);
    let image = source(fields, count).and_then(|source| {
        if let Source::Path(path) = &source {
            return Ok(decode(path)?);
        }
        // The size was checked. The memory is asked for in a way that can fail.
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(count as usize).context("the image does not fit into memory")?;
        body.read_to_end(&mut bytes).map_err(unreadable)?;
        ensure!(bytes.len() as u64 == count, "the input ends within the image");
        picture(&source, bytes)
    });
    std::io::copy(&mut body, &mut std::io::sink()).map_err(unreadable)?;
    let left = body.limit();
    ensure!(
        left == 0,
        "the input ends within a request: {count} bytes must follow its line, but {left} are missing"
    );
    Ok(Some(Request { id, image }))
}

/// The next line that is not empty; `None` at the end of the input.
fn read_line(input: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
    loop {
        let mut line = Vec::new();
        let length = input.take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(unreadable)?;
        if length == 0 {
            return Ok(None);
        }
        if length as u64 == LONGEST_LINE && !line.ends_with(b"\n") {
            bail!("a request must be a line of fewer than {LONGEST_LINE} bytes, but a line is longer");
        }
        if !line.trim_ascii().is_empty() {
            return Ok(Some(line));
        }
    }
}

fn unreadable(error: std::io::Error) -> Error {
    Error::from(error).context("cannot read standard input")
}

/// Checks the fields of a request before any memory is taken for its image.
fn source(fields: Map<String, Value>, count: u64) -> Result<Source> {
    let Fields { path, width, height, format, bytes, .. } =
        Fields::deserialize(Value::Object(fields)).context("wrong fields in the request")?;
    match (path, format) {
        (Some(path), None) if width.is_none() && height.is_none() && bytes.is_none() => {
            Ok(Source::Path(path))
        }
        (Some(_), _) => bail!("a request with `path` has no width, height, format or bytes"),
        (None, None) => bail!("a request needs `path`, or `format` (rgb8, bgr8 or file) and `bytes`"),
        (None, Some(_)) if count > MOST_BYTES => {
            bail!("{count} bytes follow the request, but at most {MOST_BYTES} are read")
        }
        (None, Some(Format::File)) => {
            ensure!(
                width.is_none() && height.is_none(),
                "a request with the format file has no width or height"
            );
            ensure!(bytes.is_some(), "a request with the format file needs `bytes`");
            Ok(Source::File)
        }
        (None, Some(format)) => {
            let (Some(width), Some(height)) = (width, height) else {
                bail!("a request with pixels needs `width` and `height`")
            };
            let pixels = u64::from(width) * u64::from(height);
            ensure!(pixels > 0, "an image of {width} x {height} pixels is empty");
            ensure!(
                pixels <= MOST_PIXELS,
                "{width} x {height} are {pixels} pixels, but at most {MOST_PIXELS} are read"
            );
            ensure!(
                count == 3 * pixels,
                "an image of {width} x {height} pixels has {} bytes, but {count} follow the request",
                3 * pixels
            );
            Ok(Source::Pixels { size: (width, height), is_bgr: matches!(format, Format::Bgr8) })
        }
    }
}

/// The image in the bytes of a request.
fn picture(source: &Source, mut bytes: Vec<u8>) -> Result<RgbImage> {
    match source {
        Source::Pixels { size: (width, height), is_bgr } => {
            if *is_bgr {
                bytes.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
            }
            let size = format!("an image of {width} x {height} pixels");
            RgbImage::from_raw(*width, *height, bytes).with_context(|| format!("{size} has other bytes"))
        }
        Source::File => decode_bytes(&bytes).context("cannot read the bytes as an image file"),
        Source::Path(path) => Ok(decode(path)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The id of a request, and its pixels or its error.
    type Read = (Value, Result<Vec<u8>, String>);

    /// All requests, and the error that ends the input.
    fn all(mut input: &[u8]) -> (Vec<Read>, Option<String>) {
        let mut found = Vec::new();
        loop {
            match read_request(&mut input) {
                Ok(Some(Request { id, image })) => {
                    let image = image.map(RgbImage::into_raw).map_err(|error| format!("{error:#}"));
                    found.push((id, image));
                }
                Ok(None) => return (found, None),
                Err(error) => return (found, Some(format!("{error:#}"))),
            }
        }
    }

    #[test]
    fn pixels_are_read_in_both_orders() {
        let input = b"{\"id\":1,\"width\":2,\"height\":1,\"format\":\"rgb8\",\"bytes\":6}\nabcdef\n\
            {\"id\":\"b\",\"width\":1,\"height\":2,\"format\":\"bgr8\",\"bytes\":6}\r\nabcdef";
        let (found, end) = all(input);
        assert_eq!(found, [(1.into(), Ok(b"abcdef".to_vec())), ("b".into(), Ok(b"cbafed".to_vec()))]);
        assert_eq!(end, None);
    }

    #[test]
    fn a_bad_request_does_not_cost_the_next() {
        for (bad, why) in [
            ("{}", "needs `path`"),
            ("{\"format\":\"rgb8\",\"bytes\":3}\nabc", "needs `width` and `height`"),
            ("{\"width\":2,\"height\":1,\"format\":\"rgb8\",\"bytes\":3}\nabc", "has 6 bytes, but 3 follow"),
            ("{\"width\":0,\"height\":1,\"format\":\"rgb8\",\"bytes\":0}\n", "is empty"),
            ("{\"width\":1,\"height\":1,\"format\":\"rgba8\",\"bytes\":4}\nabcd", "unknown variant `rgba8`"),
            ("{\"path\":\"gone.jpg\"}", "gone.jpg"),
            ("{\"path\":\"gone.jpg\",\"bytes\":2}\nab", "has no width"),
            ("{\"source\":\"gone.jpg\"}", "unknown field `source`"),
            ("{\"format\":\"file\",\"bytes\":4}\nabcd", "as an image file: "),
            ("{\"width\":-1,\"height\":1,\"format\":\"rgb8\",\"bytes\":3}\nabc", "-1"),
            ("{\"width\":65536,\"height\":65536,\"format\":\"rgb8\",\"bytes\":3}\nabc", "at most 134217728"),
        ] {
            let input =
                format!("{bad}\n{{\"id\":7,\"width\":1,\"height\":1,\"format\":\"rgb8\",\"bytes\":3}}\nxyz");
            let (found, end) = all(input.as_bytes());
            assert_eq!(end, None, "{bad}");
            assert!(found[0].1.as_ref().is_err_and(|error| error.contains(why)), "{bad}: {:?}", found[0]);
            assert_eq!(found[1..], [(7.into(), Ok(b"xyz".to_vec()))], "{bad}");
        }
    }

    #[test]
    fn bytes_above_the_limit_are_skipped_without_memory() {
        let line = format!("{{\"id\":3,\"format\":\"file\",\"bytes\":{}}}\n", MOST_BYTES + 1);
        let mut input = std::io::BufReader::new(
            line.as_bytes().chain(std::io::repeat(b'{').take(MOST_BYTES + 1)).chain(&b"{\"id\":4}\n"[..]),
        );
        let first = read_request(&mut input).unwrap().unwrap();
        assert!(first.image.unwrap_err().to_string().contains("at most 402653184"));
        assert_eq!(read_request(&mut input).unwrap().unwrap().id, 4);
    }

    #[test]
    fn lost_framing_ends_the_reading() {
        let long = " ".repeat(LONGEST_LINE as usize) + "{}";
        for (input, why) in [
            ("binary\u{1}", "a line begins with \"binary\\u{1}\""),
            ("[1]\n", "JSON object"),
            ("{\"bytes\":-1}\n", "`bytes` must be"),
            ("{\"bytes\":\"3\"}\nabc", "`bytes` must be"),
            ("{\"width\":1,\"height\":1,\"format\":\"rgb8\",\"bytes\":3}\nab", "1 are missing"),
            ("{\"bytes\":3}\nab", "1 are missing"),
            (long.as_str(), "fewer than 65536 bytes"),
        ] {
            let (found, end) = all(input.as_bytes());
            assert!(
                found.is_empty() && end.as_ref().is_some_and(|end| end.contains(why)),
                "{input:?}: {end:?}"
            );
        }
    }
}
