//! [`DETECTION`]: examples and notes of the commands that find objects.

use super::Topic;

/// The help of `predict` and `serve`.
pub(super) const DETECTION: &[Topic] = &[
    Topic {
        path: "predict",
        short: &[],
        examples: &[
            ("predict --weights W --source picture.jpg --out seen", "Draw boxes around objects"),
            ("predict --weights W --source 'photos/*.jpg' --out seen --save-txt", "Also write labels"),
            ("predict --weights w.onnx --source photos --json", "One JSON object per image"),
            ("predict --weights W --source film.mp4 --out seen", "A video, with ffmpeg"),
        ],
        notes: &["Score 0.25 and overlap 0.7 are Ultralytics' defaults."],
    },
    Topic {
        path: "serve",
        short: &[],
        examples: &[
            ("serve --stdin --weights W", "Requests on standard input, answers on standard output"),
            ("serve --stdin --weights W --conf 0.4 --classes person,dog", "With the options of predict"),
        ],
        notes: &["A request is a line such as {\"id\":1,\"path\":\"a.jpg\"}, or \
             {\"id\":2,\"width\":640,\"height\":480,\"format\":\"rgb8\",\"bytes\":921600} and then as many bytes of pixels. The \
             first line of the output describes the network, and each further line answers a request. docs/python.md \
             describes the lines, and the Python module that uses them."],
    },
];
