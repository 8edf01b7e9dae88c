//! [`Py`]: Python values, saved as `torch.save` saves them.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A Python value.
#[derive(Clone)]
pub(crate) enum Py {
    None,
    Bool(bool),
    Int(i32),
    Float(f64),
    Str(String),
    List(Vec<Py>),
    Tuple(Vec<Py>),
    Dict(Vec<(Py, Py)>),
    /// A class or function of a module.
    Global(String, String),
    /// The result of a call with these arguments.
    Call(Box<Py>, Vec<Py>),
    /// An object of a class and its attributes.
    Object(Box<Py>, Box<Py>),
    /// A tensor: its shape and its values.
    Tensor(Vec<usize>, Vec<f32>),
    /// Instructions that leave one value on the stack.
    Raw(Vec<u8>),
}

impl From<&str> for Py {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<i32> for Py {
    fn from(number: i32) -> Self {
        Self::Int(number)
    }
}

/// A class or function by its full name.
pub(crate) fn class(name: &str) -> Py {
    let (module, name) = name.rsplit_once('.').unwrap();
    Py::Global(module.to_owned(), name.to_owned())
}

/// The result of a call of a class or function with these arguments.
pub(crate) fn call(name: &str, arguments: Vec<Py>) -> Py {
    Py::Call(Box::new(class(name)), arguments)
}

/// An object with attributes.
pub(crate) fn object(name: &str, attributes: Vec<(&str, Py)>) -> Py {
    Py::Object(Box::new(class(name)), Box::new(dict(attributes)))
}

pub(crate) fn dict(entries: Vec<(&str, Py)>) -> Py {
    Py::Dict(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// Small numbers of this shape, all positive.
pub(crate) fn tensor(shape: &[usize]) -> Py {
    let len = shape.iter().product::<usize>();
    Py::Tensor(shape.to_vec(), (0..len).map(|i| 0.02 + 0.01 * (i * 7 % 13) as f32).collect())
}

impl Py {
    /// The file that `torch.save` would write.
    pub(crate) fn save(&self) -> Vec<u8> {
        self.save_as("archive")
    }

    /// The file as it is if it was saved as `STEM.pt`.
    pub(crate) fn save_as(&self, stem: &str) -> Vec<u8> {
        let mut file = Saved::default();
        self.write(&mut file);
        file.pickle.push(b'.');
        let pickle = [b"\x80\x02".to_vec(), file.pickle].concat();
        let mut entries = vec![("data.pkl".to_owned(), pickle), ("byteorder".to_owned(), b"little".to_vec())];
        entries
            .extend(file.storages.into_iter().enumerate().map(|(key, bytes)| (format!("data/{key}"), bytes)));
        let entries: Vec<_> =
            entries.iter().map(|(name, bytes)| (format!("{stem}/{name}"), bytes.as_slice())).collect();
        let entries: Vec<(&str, &[u8])> =
            entries.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
        archive(&entries)
    }

    fn write(&self, file: &mut Saved) {
        match self {
            Self::None => file.pickle.push(b'N'),
            Self::Bool(value) => file.pickle.push(if *value { 0x88 } else { 0x89 }),
            Self::Int(value) => file.pickle.extend([&b"J"[..], &value.to_le_bytes()].concat()),
            Self::Float(value) => file.pickle.extend([&b"G"[..], &value.to_be_bytes()].concat()),
            Self::Str(value) => file.pickle.extend(text(value)),
            Self::List(members) => file.sequence(b"](", members, b"e"),
            Self::Tuple(members) => file.sequence(b"(", members, b"t"),
            Self::Dict(entries) => {
                file.pickle.extend(b"}(");
                for (key, value) in entries {
                    key.write(file);
                    value.write(file);
                }
                file.pickle.push(b'u');
            }
            Self::Global(module, name) => file.pickle.extend(format!("c{module}\n{name}\n").bytes()),
            Self::Call(callee, arguments) => {
                callee.write(file);
                file.sequence(b"(", arguments, b"tR");
            }
            Self::Object(of, attributes) => {
                of.write(file);
                file.pickle.extend(b")\x81");
                attributes.write(file);
                file.pickle.push(b'b');
            }
            Self::Tensor(shape, values) => {
                let key = file.storages.len().to_string();
                let len = values.len() as i32;
                file.storages.push(values.iter().flat_map(|value| value.to_le_bytes()).collect());
                let storage = [
                    "storage".into(),
                    class("torch.FloatStorage"),
                    key.as_str().into(),
                    "cpu".into(),
                    len.into(),
                ];
                let strides = (0..shape.len()).map(|i| shape[i + 1..].iter().product::<usize>() as i32);
                let sizes = shape.iter().map(|size| Self::Int(*size as i32)).collect();
                class("torch._utils._rebuild_tensor_v2").write(file);
                file.pickle.push(b'(');
                Self::Tuple(storage.to_vec()).write(file);
                file.pickle.push(b'Q');
                Self::Int(0).write(file);
                Self::Tuple(sizes).write(file);
                Self::Tuple(strides.map(Self::Int).collect()).write(file);
                file.pickle.extend(b"\x89NtR");
            }
            Self::Raw(instructions) => file.pickle.extend(instructions),
        }
    }
}

#[derive(Default)]
struct Saved {
    pickle: Vec<u8>,
    storages: Vec<Vec<u8>>,
}

impl Saved {
    fn sequence(&mut self, begin: &[u8], members: &[Py], end: &[u8]) {
        self.pickle.extend(begin);
        for member in members {
            member.write(self);
        }
        self.pickle.extend(end);
    }
}

/// An archive of these entries.
pub(crate) fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The instruction that pushes a text.
pub(crate) fn text(value: &str) -> Vec<u8> {
    [&b"X"[..], &(value.len() as u32).to_le_bytes(), value.as_bytes()].concat()
}
