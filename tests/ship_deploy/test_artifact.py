import hashlib

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ship_deploy import Fuser, UserError
from ship_deploy.artifact import PRODUCER, read_artifact, seal


def foreign_model() -> onnx.ModelProto:
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["x"], ["y"])], "g", [x], [y])
    return onnx.helper.make_model(graph)


@pytest.fixture
def sealed() -> bytes:
    model = foreign_model()
    model.producer_name = PRODUCER
    onnx.helper.set_model_props(model, {"graph": "frames", "empty": "", "long": "ä" * 300})
    return seal(model.SerializeToString())


def test_a_sealed_file_is_onnx_and_says_what_was_put_in(sealed, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(sealed)

    artifact = read_artifact(path)

    assert artifact.metadata == {"graph": "frames", "empty": "", "long": "ä" * 300}
    assert artifact.properties == artifact.metadata
    assert artifact.content == sealed
    model = onnx.load(path)
    onnx.checker.check_model(model)
    last = model.metadata_props[-1]
    assert last.value == artifact.digest
    model.metadata_props.remove(last)
    assert hashlib.sha256(model.SerializeToString()).hexdigest() == artifact.digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an ONNX model; make one"),
        (b"hello, this is text", "not an ONNX model"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not an ONNX model"),
        (foreign_model().SerializeToString(), "that ship-deploy did not export; make one with"),
    ],
)
def test_what_is_not_ours(content, message, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)

    with pytest.raises(UserError, match=message):
        read_artifact(path)


def test_missing(tmp_path):
    with pytest.raises(UserError, match=r"none\.onnx: cannot read the model \(No such file"):
        read_artifact(tmp_path / "none.onnx")


def test_every_cut_is_noticed(sealed, tmp_path):
    path = tmp_path / "model.onnx"
    for length in range(len(sealed)):
        path.write_bytes(sealed[:length])
        with pytest.raises(UserError):
            read_artifact(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_cut_model_is_called_one(model, share, tmp_path):
    content = model.read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(UserError, match="is truncated"):
        Fuser(path)


def test_every_flipped_byte_is_noticed(sealed, tmp_path):
    path = tmp_path / "model.onnx"
    for position in range(len(sealed)):
        edited = bytearray(sealed)
        edited[position] ^= 0x20
        path.write_bytes(edited)
        with pytest.raises(UserError):
            read_artifact(path)


def test_an_edit_with_an_onnx_library_is_noticed(model, tmp_path):
    edited = onnx.load(model)
    edited.graph.initializer[0].raw_data = bytes(len(edited.graph.initializer[0].raw_data))
    onnx.save(edited, tmp_path / "edited.onnx")

    with pytest.raises(UserError, match="edited or damaged"):
        Fuser(tmp_path / "edited.onnx")


def test_what_follows_the_seal_is_noticed(sealed, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(sealed + onnx.ModelProto(doc_string="more").SerializeToString())

    with pytest.raises(UserError, match="edited or damaged"):
        read_artifact(path)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_in_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "arbitrary.onnx"
    path.write_bytes(content)

    with pytest.raises(UserError) as error:
        read_artifact(path)

    assert "\n" not in str(error.value)


def with_loop() -> onnx.ModelProto:
    """A model that never comes to an end."""
    make = onnx.helper.make_node
    always = onnx.helper.make_tensor("always", onnx.TensorProto.BOOL, [], [True])
    flag = onnx.helper.make_tensor_value_info("go", onnx.TensorProto.BOOL, [])
    count = onnx.helper.make_tensor_value_info("i", onnx.TensorProto.INT64, [])
    out = onnx.helper.make_tensor_value_info("again", onnx.TensorProto.BOOL, [])
    body = onnx.helper.make_graph([make("Identity", ["go"], ["again"])], "b", [count, flag], [out])
    model = foreign_model()
    model.graph.node.append(make("Loop", ["", "always"], [], body=body))
    model.graph.initializer.append(always)
    return model


def with_external_data() -> onnx.ModelProto:
    model = foreign_model()
    tensor = model.graph.initializer.add(name="w", dims=[4], data_type=onnx.TensorProto.FLOAT)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secrets.bin")
    return model


def with_external_constant() -> onnx.ModelProto:
    model, outside = foreign_model(), with_external_data().graph.initializer[0]
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["w"], value=outside))
    return model


def with_function() -> onnx.ModelProto:
    model = foreign_model()
    model.functions.add(name="f", domain="own")
    return model


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (with_loop, "loops or branches"),
        (with_external_data, "weights in other files"),
        (with_external_constant, "weights in other files"),
        (with_function, "functions of its own"),
    ],
)
def test_what_no_export_has_is_refused_though_the_seal_is_right(make, what, tmp_path):
    model = make()
    model.producer_name = PRODUCER
    (tmp_path / "model.onnx").write_bytes(seal(model.SerializeToString()))
    with pytest.raises(UserError, match=f"the model has {what}, which no export has"):
        read_artifact(tmp_path / "model.onnx")


@pytest.mark.parametrize("value", ["{", "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_metadata_that_are_no_json(value, tmp_path):
    model = foreign_model()
    model.producer_name = PRODUCER
    onnx.helper.set_model_props(model, {"config": value})
    (tmp_path / "model.onnx").write_bytes(seal(model.SerializeToString()))
    with pytest.raises(UserError, match="metadata are damaged"):
        read_artifact(tmp_path / "model.onnx")


def test_a_seal_of_another_length(tmp_path):
    model = foreign_model()
    model.producer_name = PRODUCER
    onnx.helper.set_model_props(model, {"ship_deploy_sha256": "0" * 300})
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="its digest differs"):
        read_artifact(tmp_path / "model.onnx")
