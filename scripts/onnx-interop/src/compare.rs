//! Field by field: prost's reading of a model, and rust-protobuf's.

use std::fmt::Debug;

use anyhow::{Result, bail, ensure};
use bonsai_onnx::proto as ours;
use onnx_protobuf as theirs;

/// Counts what was compared, and stops at what differs.
#[derive(Default)]
struct Fields {
    agreed: usize,
}

/// Compares all that our files hold; the number of fields.
pub fn models(a: &ours::ModelProto, b: &theirs::ModelProto) -> Result<usize> {
    let mut fields = Fields::default();
    fields.same("ir_version", &a.ir_version(), &b.ir_version)?;
    fields.same("producer_name", a.producer_name(), b.producer_name.as_str())?;
    fields.same("producer_version", a.producer_version(), b.producer_version.as_str())?;
    fields.pairs("opset", &a.opset_import, &b.opset_import, |fields, a, b| {
        fields.same("domain", a.domain(), b.domain.as_str())?;
        fields.same("version", &a.version(), &b.version)
    })?;
    fields.pairs("metadata", &a.metadata_props, &b.metadata_props, |fields, a, b| {
        fields.same("key", a.key(), b.key.as_str())?;
        fields.same("value", a.value(), b.value.as_str())
    })?;
    let (Some(a), Some(b)) = (a.graph.as_ref(), b.graph.as_ref()) else { bail!("one of them sees no graph") };
    fields.same("graph", a.name(), b.name.as_str())?;
    fields.pairs("nodes", &a.node, &b.node, Fields::nodes)?;
    fields.pairs("initializers", &a.initializer, &b.initializer, Fields::tensors)?;
    fields.pairs("inputs", &a.input, &b.input, Fields::values)?;
    fields.pairs("outputs", &a.output, &b.output, Fields::values)?;
    fields.pairs("values", &a.value_info, &b.value_info, Fields::values)?;
    Ok(fields.agreed)
}

impl Fields {
    fn same<T: PartialEq + Debug + ?Sized>(&mut self, field: &str, a: &T, b: &T) -> Result<()> {
        ensure!(a == b, "{field}: {a:?} and {b:?}");
        self.agreed += 1;
        Ok(())
    }

    fn pairs<A, B>(
        &mut self,
        field: &str,
        a: &[A],
        b: &[B],
        compare: impl Fn(&mut Self, &A, &B) -> Result<()>,
    ) -> Result<()> {
        self.same(field, &a.len(), &b.len())?;
        a.iter().zip(b).try_for_each(|(a, b)| compare(self, a, b))
    }

    fn nodes(&mut self, a: &ours::NodeProto, b: &theirs::NodeProto) -> Result<()> {
        self.same("name", a.name(), b.name.as_str())?;
        self.same("op_type", a.op_type(), b.op_type.as_str())?;
        self.same("input", &a.input, &b.input)?;
        self.same("output", &a.output, &b.output)?;
        self.pairs("attributes", &a.attribute, &b.attribute, |fields, a, b| {
            fields.same("attribute", a.name(), b.name.as_str())?;
            fields.same("type", &a.r#type.unwrap_or(0), &b.type_.value())?;
            fields.same("f", &a.f(), &b.f)?;
            fields.same("i", &a.i(), &b.i)?;
            fields.same("s", a.s(), b.s.as_slice())?;
            fields.same("ints", &a.ints, &b.ints)?;
            fields.same("floats", &a.floats, &b.floats)
        })
    }

    fn tensors(&mut self, a: &ours::TensorProto, b: &theirs::TensorProto) -> Result<()> {
        self.same("tensor", a.name(), b.name.as_str())?;
        self.same("data_type", &a.data_type(), &b.data_type)?;
        self.same("dims", &a.dims, &b.dims)?;
        ensure!(a.raw_data() == b.raw_data, "raw_data of {}", a.name());
        self.agreed += 1;
        Ok(())
    }

    fn values(&mut self, a: &ours::ValueInfoProto, b: &theirs::ValueInfoProto) -> Result<()> {
        use ours::tensor_shape_proto::dimension::Value as OurSize;
        use theirs::tensor_shape_proto::dimension::Value as TheirSize;
        self.same("value", a.name(), b.name.as_str())?;
        let a = a.r#type.as_ref().and_then(|t| t.value.as_ref());
        let b = b.type_.as_ref().and_then(|t| t.value.as_ref());
        let (Some(ours::type_proto::Value::TensorType(a)), Some(theirs::type_proto::Value::TensorType(b))) =
            (a, b)
        else {
            bail!("one of them sees no tensor");
        };
        self.same("elem_type", &a.elem_type(), &b.elem_type)?;
        let (Some(a), Some(b)) = (a.shape.as_ref(), b.shape.as_ref()) else {
            bail!("one of them sees no shape")
        };
        self.pairs("dims", &a.dim, &b.dim, |fields, a, b| match (&a.value, &b.value) {
            (Some(OurSize::DimValue(a)), Some(TheirSize::DimValue(b))) => fields.same("size", a, b),
            (Some(OurSize::DimParam(a)), Some(TheirSize::DimParam(b))) => fields.same("symbol", a, b),
            (a, b) => bail!("dimension {a:?} and {b:?}"),
        })
    }
}
