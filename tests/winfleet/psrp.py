"""PSRP: PowerShell runspace pools and their pipelines, with psrpcore as the server's half of the protocol.

A pipeline becomes one script (`powershell_script.py`) that the host runs; the objects that come back are CLIXML
documents and go to the client as objects. What one pipeline leaves in the runspace for the next is the host's matter:
it is told the pool's id as the session.

"clixml-failure" of an Execution is the error that ended the script: the pipeline fails with it.
"""

from __future__ import annotations

import base64
import logging
import struct
import threading
import uuid
from xml.etree import ElementTree

import psrpcore
from psrpcore._payload import PSRPMessage, create_message
from psrpcore.types import (
    ErrorCategoryInfo,
    ErrorRecord,
    HostMethodIdentifier,
    NETException,
    PSInvocationState,
    PSRPMessageType,
    deserialize_clixml,
)

from . import wsman
from .execution import Command, Execution, ExecutionError, Executor
from .powershell_script import UnsupportedPipelineError, input_text, script_text
from .shells import COMMAND_STATE, Limits, Shell, identifier
from .winrs import decode_stream
from .wsman import NAMESPACES, Request

log = logging.getLogger(__name__)

_FRAGMENT_SIZE = 32 * 1024  #: bytes, as Windows fragments its messages
_ENVELOPE_OVERHEAD = 4096
_MAX_UNREAD = 8 * 1024 * 1024  #: bytes of output that wait for the client before the script is held back
_MAX_RECEIVED_OBJECT = 64 * 1024 * 1024  #: bytes of one incoming message in parts
_PROTOCOL_ERRORS = (
    psrpcore.PSRPCoreError,
    ElementTree.ParseError,
    AttributeError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    RecursionError,
    struct.error,
)  # psrpcore trusts its peer: a hostile one meets whatever its parsing runs into


class RunspacePool(Shell):
    """One runspace pool."""

    streams = ("stdin pr", "stdout")

    def __init__(
        self, executor: Executor, request: Request, user: str, client: str, limits: Limits, shell_id: str
    ) -> None:
        super().__init__(request, user, client, limits, shell_id)
        self._executor = executor
        self._pool = _ServerPool()
        self._changed = threading.Condition()
        self._pipelines: dict[uuid.UUID, _Pipeline] = {}
        self._outgoing = _Outgoing()
        self._received = 0
        self._closed = False
        creation = request.element("rsp:Shell/pwsh:creationXml")
        self._take(decode_stream(creation.text), None)

    def command(self, request: Request) -> str:
        line = request.element("rsp:CommandLine")
        command_id = identifier(line.get("CommandId"), "CommandId")
        pipeline_id = uuid.UUID(command_id)
        fragment = decode_stream("".join(part.text or "" for part in line.iterfind("rsp:Arguments", NAMESPACES)))
        with self._changed:
            if pipeline_id in self._pipelines:
                raise wsman.already_exists(f"the command {command_id}")
            if len(self._pipelines) >= self.limits.commands_per_shell:
                raise wsman.too_many_operations(self.limits.commands_per_shell)
            self._pipelines[pipeline_id] = _Pipeline(self._pool, pipeline_id)
        self._take(fragment, pipeline_id)
        return f"<rsp:CommandResponse><rsp:CommandId>{command_id}</rsp:CommandId></rsp:CommandResponse>"

    def send(self, request: Request) -> str:
        stream = request.element("rsp:Send/rsp:Stream")
        command_id = stream.get("CommandId")
        pipeline_id = self._pipeline_id(command_id) if command_id else None
        self._take(decode_stream(stream.text), pipeline_id)
        return "<rsp:SendResponse/>"

    def receive(self, request: Request) -> str:
        command_id = request.element("rsp:Receive/rsp:DesiredStream").get("CommandId")
        pipeline_id = self._pipeline_id(command_id) if command_id else None
        limit = (request.max_envelope_size - _ENVELOPE_OVERHEAD) // 4 * 3
        with self._changed:
            outgoing = self._pipelines[pipeline_id].outgoing if pipeline_id else self._outgoing
            answer = outgoing.answer_to(request.message_id)
            if answer:
                return answer
            self._changed.wait_for(
                lambda: outgoing or outgoing.ended or self._closed, timeout=request.operation_timeout
            )
            if self._closed:
                raise wsman.shell_not_found(self.id)
            fragments = outgoing.take(limit)
            if not fragments and not outgoing.ended:
                raise wsman.operation_timed_out()
            done = outgoing.ended and not outgoing
            self._changed.notify_all()  # there is room again for a script that was held back
            attribute = f' CommandId="{command_id}"' if command_id else ""
            parts = [
                f'<rsp:Stream Name="stdout"{attribute}>{base64.b64encode(data).decode()}</rsp:Stream>'
                for data in fragments
            ]
            if command_id:
                parts.append(f'<rsp:CommandState{attribute} State="{COMMAND_STATE}{"Done" if done else "Running"}"/>')
            return outgoing.remember(request.message_id, f"<rsp:ReceiveResponse>{''.join(parts)}</rsp:ReceiveResponse>")

    def signal(self, request: Request) -> str:
        """Stop the pipeline, if it still runs, and forget it: whatever the code, it is the client's last word on it."""
        pipeline_id = self._pipeline_id(request.element("rsp:Signal").get("CommandId"))
        with self._changed:
            pipeline = self._pipelines.pop(pipeline_id)
            if pipeline.protocol.state == PSInvocationState.Running:
                pipeline.protocol.stop()
            pipeline.end()
            self._pool.pipeline_table.pop(pipeline_id, None)
            self._collect()
        pipeline.terminate()
        return "<rsp:SignalResponse/>"

    @property
    def busy(self) -> bool:
        with self._changed:
            return any(not pipeline.ended for pipeline in self._pipelines.values())

    def close(self) -> None:
        with self._changed:
            self._closed = True
            pipelines, self._pipelines = list(self._pipelines.values()), {}
            for pipeline in pipelines:
                pipeline.end()
            self._changed.notify_all()
        for pipeline in pipelines:
            pipeline.terminate()
        self._executor.end_session(self.id)

    def _pipeline_id(self, command_id: str | None) -> uuid.UUID:
        pipeline_id = uuid.UUID(identifier(command_id or "", "CommandId"))
        with self._changed:
            if pipeline_id not in self._pipelines:
                raise wsman.command_not_found(command_id or "(none)")
        return pipeline_id

    def _take(self, data: bytes, pipeline_id: uuid.UUID | None) -> None:
        """Feed what the client sent to the protocol and do what it asks for."""
        try:
            with self._changed:
                self._received += len(data)
                if self._received > _MAX_RECEIVED_OBJECT:
                    raise wsman.envelope_too_large(_MAX_RECEIVED_OBJECT)
                self._pool.receive_data(psrpcore.PSRPPayload(data, psrpcore.StreamType.default, pipeline_id))
                events = []
                while event := self._pool.next_event():
                    self._received = 0
                    events.append(event)
                self._collect()
            for event in events:
                self._handle(event)
        except _PROTOCOL_ERRORS as error:
            log.debug("PSRP protocol error", exc_info=True)
            self.close()  # its state is unknown; Windows gives up such a pool too
            raise wsman.schema_violation(
                "the data is not what the PowerShell Remoting Protocol expects here"
            ) from error

    def _handle(self, event: psrpcore.PSRPEvent) -> None:
        if isinstance(event, psrpcore.CreatePipelineEvent):
            self._start(event.pipeline_id, event.pipeline)
        elif isinstance(event, psrpcore.PipelineInputEvent):
            self._write(self._pipeline(event.pipeline_id), event.data)
        elif isinstance(event, psrpcore.EndOfPipelineInputEvent):
            self._pipeline(event.pipeline_id).close_input()
        elif isinstance(event, psrpcore.GetCommandMetadataEvent):
            with self._changed:
                self._fail(self._pipeline(event.pipeline_id), "Command metadata is not available from this host.")
        elif isinstance(event, psrpcore.GetAvailableRunspacesEvent):
            self._answer(event.ci, self._pool.max_runspaces - len(self._pipelines))
        elif isinstance(
            event, (psrpcore.SetMaxRunspacesEvent, psrpcore.SetMinRunspacesEvent, psrpcore.ResetRunspaceStateEvent)
        ):
            self._answer(event.ci, True)

    def _write(self, pipeline: _Pipeline, value: object) -> None:
        try:
            pipeline.write(value)
        except UnsupportedPipelineError as error:
            with self._changed:
                self._fail(pipeline, str(error))
            pipeline.terminate()

    def _answer(self, ci: int, answer: bool | int) -> None:
        with self._changed:
            self._pool.runspace_availability_response(ci, answer)
            self._collect()

    def _pipeline(self, pipeline_id: uuid.UUID) -> _Pipeline:
        with self._changed:
            pipeline = self._pipelines.get(pipeline_id)
        if pipeline is None:
            raise wsman.command_not_found(str(pipeline_id).upper())
        return pipeline

    def _start(self, pipeline_id: uuid.UUID, metadata: psrpcore.PowerShell) -> None:
        pipeline = self._pipeline(pipeline_id)
        with self._changed:
            # Without telling the client, as Windows does; psrpcore's start() would, in a Receive of its own.
            pipeline.protocol._change_state(PSInvocationState.Running, emit=False)
        try:
            command = Command(
                line="",
                script=script_text(metadata),
                session=self.id,
                local_scope=_local_scope(metadata),
                user=self.user,
            )
            pipeline.execution = self._executor.start(command)
        except (ExecutionError, UnsupportedPipelineError) as error:
            with self._changed:
                self._fail(pipeline, str(error))
            return
        if metadata.no_input:
            pipeline.close_input()
        if pipeline.ended or self._closed:  # signalled from another connection in the meantime
            pipeline.terminate()
            return
        threading.Thread(
            target=self._relay, args=(pipeline, pipeline.execution), name=f"psrp-{str(pipeline_id)[:8]}", daemon=True
        ).start()

    def _relay(self, pipeline: _Pipeline, execution: Execution) -> None:
        """Bring a running script's output into the protocol until it ends."""
        try:
            while execution.exit_code is None and not pipeline.ended:
                chunks = execution.read(1.0)
                with self._changed:
                    for stream, data in chunks:
                        pipeline.write_output(stream, data)
                    self._collect()
                    self._changed.wait_for(
                        lambda: pipeline.outgoing.size < _MAX_UNREAD or pipeline.ended or self._closed
                    )
            with self._changed:
                if not pipeline.ended:
                    pipeline.finish(execution.exit_code or 0)
                    self._collect()
        except Exception as error:  # whatever the host behind us does, a pipeline must end for its client
            level = logging.DEBUG if isinstance(error, ExecutionError) else logging.ERROR
            log.log(level, "a pipeline ended early", exc_info=True)
            with self._changed:
                self._fail(pipeline, str(error))
        finally:
            pipeline.terminate()

    def _fail(self, pipeline: _Pipeline, message: str) -> None:
        """End a pipeline with an error of the server's (the lock is held)."""
        if pipeline.ended:
            return
        pipeline.fail(_error_record(message))
        self._collect()

    def _collect(self) -> None:
        """Move what the protocol has to say to those who will ask for it (the lock is held)."""
        while payload := self._pool.data_to_send(_FRAGMENT_SIZE):
            if payload.pipeline_id is None:
                self._outgoing.put(payload.data)
            elif payload.pipeline_id in self._pipelines:
                self._pipelines[payload.pipeline_id].outgoing.put(payload.data)
        self._changed.notify_all()


class _ServerPool(psrpcore.ServerRunspacePool):
    """psrpcore's pool, which can also hand on an object that is CLIXML already.

    Reading it and writing it again would change it (the types' names get "Deserialized." before them).
    """

    def hand_on(self, clixml: ElementTree.Element, message_type: PSRPMessageType, pipeline_id: uuid.UUID) -> None:
        payload = create_message(False, message_type, ElementTree.tostring(clixml), self.runspace_pool_id, pipeline_id)
        self._send_buffer.append(
            PSRPMessage(message_type, bytearray(payload), self.runspace_pool_id, pipeline_id, self._fragment_counter)
        )


class _Outgoing:
    """Fragments that wait for a Receive, of the pool or of one pipeline."""

    def __init__(self) -> None:
        self.size = 0
        self.ended = False
        self._fragments: list[bytes] = []
        self._last_answer: tuple[str, str] | None = None

    def __bool__(self) -> bool:
        return bool(self._fragments)

    def put(self, fragment: bytes) -> None:
        self._fragments.append(fragment)
        self.size += len(fragment)

    def take(self, limit: int) -> list[bytes]:
        """Return the fragments that fit in `limit` bytes, but at least one: the smallest envelope (8192) holds none."""
        taken: list[bytes] = []
        while self._fragments and (not taken or limit >= len(self._fragments[0]) + 128):
            taken.append(self._fragments.pop(0))
            self.size -= len(taken[-1])
            limit -= len(taken[-1]) + 128
        return taken

    def answer_to(self, message_id: str) -> str | None:
        """The answer that this very message got before: clients repeat a Receive whose answer was lost on the way."""
        return self._last_answer[1] if self._last_answer and self._last_answer[0] == message_id else None

    def remember(self, message_id: str, answer: str) -> str:
        self._last_answer = (message_id, answer)
        return answer


class _Pipeline:
    """One pipeline: its protocol half, the running script, and what waits for the client."""

    def __init__(self, pool: _ServerPool, pipeline_id: uuid.UUID) -> None:
        self.protocol = psrpcore.ServerPipeline(pool, pipeline_id)
        self._pool = pool
        self.execution: Execution | None = None
        self.outgoing = _Outgoing()
        self._failure: ErrorRecord | None = None
        self._cipher = pool._cipher  # psrpcore gives no other way to it

    @property
    def ended(self) -> bool:
        return self.outgoing.ended

    def end(self) -> None:
        self.outgoing.ended = True

    def terminate(self) -> None:
        if self.execution is not None:
            self.execution.terminate()

    def write(self, value: object) -> None:
        if self.execution is not None and not self.ended:
            try:
                self.execution.write(input_text(value).encode("utf-8", "surrogatepass"))
            except (OSError, ExecutionError):
                log.debug("pipeline input after the script ended")

    def close_input(self) -> None:
        if self.execution is not None:
            try:
                self.execution.close_input()
            except (OSError, ExecutionError):
                log.debug("pipeline input closed after the script ended")

    def write_output(self, stream: str, data: bytes) -> None:
        """Hand on one piece of output."""
        if self.ended:
            return
        text = data.decode("utf-8", "replace")
        if not stream.startswith("clixml-"):
            method = HostMethodIdentifier.WriteErrorLine if stream == "stderr" else HostMethodIdentifier.WriteLine2
            self.protocol.host_call(method, [text.rstrip("\r\n")])
            return
        try:
            if stream == "clixml-output":
                for element in _clixml_objects(text):
                    self._pool.hand_on(element, PSRPMessageType.PipelineOutput, self.protocol.pipeline_id)
            else:
                for value in deserialize_clixml(text, self._cipher):
                    self._write_record(stream, value)
        except _PROTOCOL_ERRORS as error:
            log.warning("the host's %s is not CLIXML: %s", stream, error)
            self._write_record("clixml-error", f"The host's output cannot be read: {error}")

    def _write_record(self, stream: str, value: object) -> None:
        if stream == "clixml-failure":
            self._failure = _as_error_record(value)
        elif stream == "clixml-error":
            self.protocol.prepare_message(_as_error_record(value), message_type=PSRPMessageType.ErrorRecord)
        else:
            write = {
                "clixml-warning": self.protocol.write_warning,
                "clixml-verbose": self.protocol.write_verbose,
                "clixml-debug": self.protocol.write_debug,
            }.get(stream)
            if write is not None:
                write(str(getattr(value, "Message", value)))

    def finish(self, exit_code: int) -> None:
        """Tell the client that the script has ended, and how."""
        if exit_code and self._failure is None:  # a script that fails has not asked for a code
            self.protocol.host_call(HostMethodIdentifier.SetShouldExit, [exit_code])
        if self._failure is None:
            self.protocol.complete()
            self.end()
        else:
            self.fail(self._failure)

    def fail(self, error: ErrorRecord) -> None:
        # psrpcore has no public way to fail a pipeline; this is how its own stop() ends one.
        self.protocol._change_state(PSInvocationState.Failed, error=error)
        self.end()


def _local_scope(pipeline: psrpcore.PowerShell) -> bool:
    """Whether a lone script, which is handed on unchanged, wants a scope of its own; others say so in their text."""
    return len(pipeline.commands) == 1 and pipeline.commands[0].use_local_scope is True


def _clixml_objects(document: str) -> list[ElementTree.Element]:
    """The objects of a CLIXML document as PSRP sends them: each alone, and in no namespace."""
    head, separator, rest = document.partition(">")
    if not head.lstrip().startswith("<Objs") or not separator:
        raise ValueError("not a CLIXML document")
    return list(ElementTree.fromstring("<Objs>" + rest))


def _as_error_record(value: object) -> ErrorRecord:
    return value if isinstance(value, ErrorRecord) else _error_record(str(value))


def _error_record(message: str) -> ErrorRecord:
    return ErrorRecord(
        Exception=NETException(Message=message),
        CategoryInfo=ErrorCategoryInfo(),
        FullyQualifiedErrorId="RuntimeException",
    )
