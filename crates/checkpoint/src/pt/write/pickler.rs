//! [`Pickler`]: writes values as a pickle of protocol 2, the numbers of tensors apart.

use super::value::{Class, Numbers, Value};

/// A pickle in the making, and the storages that it refers to.
#[derive(Default)]
pub(super) struct Pickler {
    pickle: Vec<u8>,
    /// Little-endian bytes; the index is the key of the storage.
    storages: Vec<Vec<u8>>,
}

impl Pickler {
    /// The pickle of a value and its storages.
    pub(super) fn write(value: &Value) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut pickler = Self::default();
        pickler.pickle.extend(b"\x80\x02");
        pickler.value(value);
        pickler.pickle.push(b'.');
        (pickler.pickle, pickler.storages)
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::None => self.pickle.push(b'N'),
            Value::Bool(value) => self.pickle.push(if *value { 0x88 } else { 0x89 }),
            Value::Int(value) => self.int(*value),
            Value::Float(value) => {
                self.pickle.push(b'G');
                self.pickle.extend(value.to_be_bytes());
            }
            Value::Str(text) => self.text(text),
            Value::Tuple(members) => self.members(b'(', members, b't'),
            Value::List(members) => {
                self.pickle.push(b']');
                self.members(b'(', members, b'e');
            }
            Value::Dict(entries) => {
                self.pickle.extend(b"}(");
                for (key, value) in entries {
                    self.value(key);
                    self.value(value);
                }
                self.pickle.push(b'u');
            }
            Value::EmptySet => {
                self.global(Class("__builtin__", "set"));
                // One empty list is the argument of the call.
                self.pickle.extend(b"(]tR");
            }
            Value::Ordered(entries) => {
                self.global(Class("collections", "OrderedDict"));
                self.pickle.extend(b")R");
                if !entries.is_empty() {
                    self.pickle.push(b'(');
                    for (key, value) in entries {
                        self.text(key);
                        self.value(value);
                    }
                    self.pickle.push(b'u');
                }
            }
            Value::Tensor(numbers) => self.tensor(numbers),
            Value::Parameter { numbers, is_trained } => {
                self.global(Class("torch._utils", "_rebuild_parameter"));
                self.pickle.push(b'(');
                self.tensor(numbers);
                self.value(&Value::Bool(*is_trained));
                self.value(&Value::Ordered(Vec::new()));
                self.pickle.extend(b"tR");
            }
            Value::Object { class, attributes } => {
                self.global(*class);
                self.pickle.extend(b")\x81}(");
                for (name, value) in attributes {
                    self.text(name);
                    self.value(value);
                }
                self.pickle.extend(b"ub");
            }
        }
    }

    fn members(&mut self, begin: u8, members: &[Value], end: u8) {
        self.pickle.push(begin);
        for member in members {
            self.value(member);
        }
        self.pickle.push(end);
    }

    fn int(&mut self, value: i64) {
        if let Ok(byte) = u8::try_from(value) {
            self.pickle.extend([b'K', byte]);
        } else if let Ok(value) = i32::try_from(value) {
            self.pickle.push(b'J');
            self.pickle.extend(value.to_le_bytes());
        } else {
            self.pickle.extend(b"\x8a\x08");
            self.pickle.extend(value.to_le_bytes());
        }
    }

    /// # Panics
    /// If a text has 4 GiB.
    fn text(&mut self, text: &str) {
        let len = u32::try_from(text.len()).expect("texts of a network are short");
        self.pickle.push(b'X');
        self.pickle.extend(len.to_le_bytes());
        self.pickle.extend(text.as_bytes());
    }

    fn global(&mut self, Class(module, name): Class) {
        self.pickle.extend(format!("c{module}\n{name}\n").bytes());
    }

    /// A contiguous tensor with a storage of its own.
    fn tensor(&mut self, numbers: &Numbers) {
        let (kind, shape, len, bytes) = match numbers {
            Numbers::F32 { shape, values } => {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                ("FloatStorage", shape.as_slice(), values.len(), bytes)
            }
            Numbers::I64(value) => ("LongStorage", &[][..], 1, value.to_le_bytes().to_vec()),
        };
        let key = self.storages.len().to_string();
        self.storages.push(bytes);
        self.global(Class("torch._utils", "_rebuild_tensor_v2"));
        self.pickle.push(b'(');
        self.pickle.push(b'(');
        self.text("storage");
        self.global(Class("torch", kind));
        self.text(&key);
        self.text("cpu");
        self.value(&Value::size(len));
        // The tuple is the persistent id of the storage.
        self.pickle.extend(b"tQ");
        self.int(0);
        let strides = (0..shape.len()).map(|axis| Value::size(shape[axis + 1..].iter().product()));
        self.value(&Value::Tuple(shape.iter().map(|size| Value::size(*size)).collect()));
        self.value(&Value::Tuple(strides.collect()));
        self.value(&Value::Bool(false));
        self.value(&Value::Ordered(Vec::new()));
        self.pickle.extend(b"tR");
    }
}
