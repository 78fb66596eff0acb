"""What goes between a thread and a Triton server: requests, and memory that both map."""

import contextlib
import http.client
import os
import ssl
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from multiprocessing.shared_memory import SharedMemory
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ship_deploy.backends.address import Address
from ship_deploy.errors import UserError, how_to_install
from ship_deploy.frames import Frames

GOODBYE = 5.0  # seconds that the server is told that a region of memory goes
LARGEST = 2**31 - 1  # bytes of a message of gRPC
# A channel that knows of earlier ones' failures waits up to two minutes before it connects again.
_CHANNEL = [
    ("grpc.max_send_message_length", LARGEST),
    ("grpc.max_receive_message_length", LARGEST),
    ("grpc.use_local_subchannel_pool", 1),
]
_AWAY = ("UNAVAILABLE", "CANCELLED", "502", "503", "504")  # status: nobody there who could answer
_LATE = "DEADLINE_EXCEEDED"
INPUTS = {"visible": [-1, -1, -1, 3], "infrared": [-1, -1, -1]}
OUTPUT = "fused"
THREADS = 64  # requests of HTTP that are under way at a time
T = TypeVar("T")


class UnavailableError(Exception):
    """There is no server, for now."""


class LateError(Exception):
    """There was no answer in time."""


class ForgottenError(Exception):
    """The server was started anew, and does not know the shared memory."""


def in_thread_of_http(call: Callable[[], T]) -> T:
    """Call a function in one of a few threads that last.

    tritonclient's HTTP is built on gevent, which never closes what it opens for a thread.
    """
    return _threads.submit(call).result()


_threads = ThreadPoolExecutor(THREADS, "triton-http")


def _after_fork() -> None:
    """A child of `os.fork` has none of its parent's threads."""
    global _threads
    _threads = ThreadPoolExecutor(THREADS, "triton-http")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Connection:
    """A client of one thread, as those of HTTP have to be, and the memory that it shares."""

    def __init__(self, api: Any, address: Address) -> None:
        self._api, self._address = api, address
        self._client = _connect(api, address)
        self._memory: SharedMemory | None = None
        self._finalizer: Any = None

    def describe(self, seconds: float) -> dict[str, str]:
        """What is known of the model: backend, version of the server, parameters.

        Raises:
            UserError: it is not there, or takes other things than frames.
        """
        address = self._address
        as_json = {"as_json": True} if address.protocol == "grpc" else {}
        of_model = {"model_name": address.model, "model_version": address.version, **as_json}
        server = self._call(seconds, "get_server_metadata", **as_json)
        try:
            found = self._call(seconds, "get_model_metadata", **of_model)
        except UserError as error:
            index = self._call(seconds, "get_model_repository_index", **as_json)
            models = index.get("models", []) if isinstance(index, dict) else index
            names = {model["name"] for model in models}
            if address.model in names:
                raise
            there = f"it has {', '.join(sorted(names))}" if names else "it has none"
            raise UserError(f"{address}: no such model on the server; {there}") from error
        takes = {tensor["name"]: tensor for tensor in found.get("inputs", [])}
        gives = [tensor["name"] for tensor in found.get("outputs", [])]
        fits = takes.keys() == INPUTS.keys() and OUTPUT in gives
        if not fits or any(
            tensor["datatype"] != "UINT8" or len(tensor["shape"]) != len(INPUTS[name])
            for name, tensor in takes.items()
        ):
            described = ", ".join(
                f"{name} {tensor['datatype']} {[int(n) for n in tensor['shape']]}"
                for name, tensor in takes.items()
            )
            raise UserError(
                f"{address}: takes {described or 'nothing'}, not frames; write its repository with "
                "python -m export --triton"
            )
        config = self._call(seconds, "get_model_config", **of_model)
        config = config.get("config", config)
        parameters: Mapping[str, Any] = config.get("parameters", {})
        facts = {key: str(value.get("string_value", "")) for key, value in parameters.items()}
        backend = config.get("backend") or config.get("platform") or "model"
        return {**facts, "backend": str(backend), "server": str(server.get("version", "unknown"))}

    def fuse(self, inputs: tuple[Frames, ...], seconds: float) -> Frames:
        """The fused frames, the caller's own, of visible (N, H, W, 3) and infrared (N, H, W)."""
        tensors = [
            self._api.InferInput(name, list(array.shape), "UINT8")
            for name, array in zip(INPUTS, inputs, strict=True)
        ]
        output = self._api.InferRequestedOutput(OUTPUT)
        fresh = False
        if self._address.shared:
            size = sum(array.nbytes for array in inputs) + inputs[0].nbytes
            fresh = self._share(size, seconds)
            assert self._memory
            offset = 0
            for tensor, array in zip(tensors, inputs, strict=True):
                place = np.ndarray(array.shape, np.uint8, self._memory.buf, offset)
                place[...] = array
                tensor.set_shared_memory(self._memory.name, array.nbytes, offset)
                offset += array.nbytes
            output.set_shared_memory(self._memory.name, inputs[0].nbytes, offset)
        else:
            for tensor, array in zip(tensors, inputs, strict=True):
                tensor.set_data_from_numpy(array)
        try:
            answer = self._call(
                seconds,
                "infer",
                model_name=self._address.model,
                model_version=self._address.version,
                inputs=tensors,
                outputs=[output],
            )
        except UserError as error:
            if self._address.shared and not fresh and "shared memory region" in str(error):
                raise ForgottenError from error
            raise
        return self._read(answer, inputs[0])

    def _read(self, answer: Any, visible: Frames) -> Frames:
        """The fused frames of an answer."""
        described = answer.get_output(OUTPUT)
        if not isinstance(described, dict):  # a message of gRPC
            described = {"shape": described.shape, "datatype": described.datatype}
        shape, kind = tuple(map(int, described["shape"])), described["datatype"]
        if self._memory is not None and self._address.shared:
            start = visible.nbytes + visible.nbytes // 3
            found: NDArray[Any] = np.ndarray(visible.shape, np.uint8, self._memory.buf, start)
        else:
            try:
                found = answer.as_numpy(OUTPUT)
            except ValueError:  # fewer bytes than it says
                shape, found = (0,), np.empty(0, np.uint8)
        if (shape, kind, found.shape) != (visible.shape, "UINT8", visible.shape):
            raise UserError(
                f"{self._address}: gives {kind} {shape} for a frame of UINT8 {visible.shape}"
            )
        return np.array(found)

    def _share(self, size: int, seconds: float) -> bool:
        """See that there is shared memory of this size that the server knows; whether it is new."""
        if self._memory is not None and self._memory.size >= size:
            return False
        self.release()
        try:
            memory = SharedMemory(create=True, size=size)
        except OSError as error:
            raise UserError(f"no shared memory of {size} bytes ({error.strerror})") from error
        self._finalizer = weakref.finalize(self, _release, self._api, self._address, memory)
        try:
            self._call(
                seconds,
                "register_system_shared_memory",
                name=memory.name,
                key=f"/{memory.name}",
                byte_size=size,
            )
        except UserError as error:
            self.release()
            raise UserError(
                f"{error}; memory=shared is for a server on this computer that sees its /dev/shm"
            ) from error
        self._memory = memory
        return True

    def release(self) -> None:
        """Give the shared memory back."""
        self._memory = None
        if self._finalizer is not None:
            self._finalizer()

    def abandon(self) -> None:
        """The same without waiting for a server that may hang; then nothing else may follow.

        The memory is not used again: the server may write a late answer into it.
        """
        if self._finalizer is not None and self._finalizer.alive:
            threading.Thread(target=self._finalizer, name="triton", daemon=True).start()

    def _call(self, seconds: float, method: str, **arguments: Any) -> Any:
        """Call a method of the client.

        Raises:
            UserError: the server refuses.
            UnavailableError, LateError: it does not answer.
        """
        return _call(self._api, self._address, self._client, seconds, method, **arguments)


def _call(
    api: Any, address: Address, client: Any, seconds: float, method: str, **arguments: Any
) -> Any:
    late = f"no answer within {address.deadline:g} s"
    try:
        if address.protocol == "grpc":
            return getattr(client, method)(**arguments, client_timeout=seconds)
        with api.deadline(seconds):
            return getattr(client, method)(**arguments)
    except api.Timeout as error:
        raise LateError(late) from error
    except api.Refusal as error:
        status, said = str(error.status()), " ".join(str(error.message()).split())
        if status.endswith(_LATE):
            raise LateError(late) from error
        if status.endswith(_AWAY):
            raise UnavailableError(f"the server is unavailable ({said})") from error
        raise UserError(f"{address}: the server refuses ({said})") from error
    except api.Broken as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UnavailableError(f"the server is unavailable ({' '.join(said.split())})") from error


class Api:
    """A half of tritonclient, and what it raises.

    Attributes:
        deadline: a context that raises `Timeout` after that many seconds; for HTTP.
        Refusal: what the server says itself, or gRPC of it.
        Broken: of HTTP, that there is no connection.
        certificates: what makes an SSLContext; for HTTP.
    """

    def __init__(self, protocol: str) -> None:
        client = import_module(f"tritonclient.{protocol}")
        self.InferenceServerClient: Any = client.InferenceServerClient
        self.InferInput: Any = client.InferInput
        self.InferRequestedOutput: Any = client.InferRequestedOutput
        self.Refusal: Any = import_module("tritonclient.utils").InferenceServerException
        self.Timeout: Any = TimeoutError
        self.Broken: Any = OSError
        if protocol == "http":
            gevent = import_module("gevent")
            self.deadline: Any = gevent.Timeout
            self.Timeout = (gevent.Timeout, TimeoutError)
            parsing = import_module("geventhttpclient.response").HTTPParseError
            self.Broken = (OSError, parsing)
            self.certificates: Any = import_module("gevent.ssl").create_default_context


def load_api(protocol: str) -> Api:
    """The half of tritonclient for "http" or "grpc".

    Raises:
        UserError: it is not installed.
    """
    try:
        return Api(protocol)
    except ImportError as error:
        raise UserError(f"tritonclient is not installed: {how_to_install('triton')}") from error


def _connect(api: Api, address: Address) -> Any:
    if address.protocol == "grpc":
        try:
            return api.InferenceServerClient(
                address.place,
                ssl=address.encrypted,
                root_certificates=address.ca,
                certificate_chain=address.cert,
                private_key=address.key,
                channel_args=_CHANNEL,
            )
        except OSError as error:
            raise UserError(f"{address}: cannot read its certificates ({error})") from error

    try:
        return api.InferenceServerClient(
            address.place,
            connection_timeout=address.deadline,
            network_timeout=address.deadline,
            ssl=address.encrypted,
            ssl_context_factory=partial(_certificates, api.certificates, address),
        )
    except OSError as error:
        raise UserError(f"{address}: cannot use its certificates ({error})") from error


def _release(api: Api, address: Address, memory: SharedMemory) -> None:
    """Unmap shared memory once the server was told; from any thread, so not by gevent."""
    with contextlib.suppress(Exception):
        if address.protocol == "grpc":
            client = _connect(api, address)
            method = "unregister_system_shared_memory"
            _call(api, address, client, GOODBYE, method, name=memory.name)
        else:
            server: http.client.HTTPConnection
            if address.encrypted:
                context = _certificates(ssl.create_default_context, address)
                server = http.client.HTTPSConnection(
                    address.place, timeout=GOODBYE, context=context
                )
            else:
                server = http.client.HTTPConnection(address.place, timeout=GOODBYE)
            with contextlib.closing(server):
                server.request("POST", f"/v2/systemsharedmemory/region/{memory.name}/unregister")
                server.getresponse().read()
    with contextlib.suppress(BufferError):
        memory.close()
    with contextlib.suppress(FileNotFoundError):
        memory.unlink()


def _certificates(make: Callable[..., ssl.SSLContext], address: Address) -> ssl.SSLContext:
    """What HTTP checks the server by, and shows of itself; of `ssl`, or gevent's counterpart."""
    context = make(cafile=address.ca)
    if address.cert:
        context.load_cert_chain(address.cert, address.key)
    return context
