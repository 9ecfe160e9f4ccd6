"""The server that the conformance suite expects to find, on the official SDK: fixed tools, resources and prompts.

The names and texts are those that the suite's scenarios ask for. `python -m tests.conformance.fixture PORT` serves it.
"""

import asyncio
import base64
import json
import struct
import sys
import zlib
from typing import Any, Final

import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

STEP_SECONDS: Final = 0.05
NOT_FOUND: Final = -32002
Context = ServerRequestContext[Any]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png() -> str:
    """An image of one red pixel."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0\xff\0\0")
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", pixel) + _chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode()


def _wav() -> str:
    """A sound of no samples."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", 0)
    return base64.b64encode(struct.pack("<4sI", b"RIFF", len(body)) + body).decode()


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _embedded(uri: str, mime_type: str, text: str) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": text}}


IMAGE: Final = {"type": "image", "data": _png(), "mimeType": "image/png"}
MIXED: Final = json.dumps({"test": "data", "value": 123})
CONTENTS: Final[dict[str, list[dict[str, Any]]]] = {
    "test_simple_text": [_text("This is a simple text response for testing.")],
    "test_image_content": [IMAGE],
    "test_audio_content": [{"type": "audio", "data": _wav(), "mimeType": "audio/wav"}],
    "test_embedded_resource": [
        _embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")
    ],
    "test_multiple_content_types": [
        _text("Multiple content types test:"),
        IMAGE,
        _embedded("test://mixed-content-resource", "application/json", MIXED),
    ],
}
"""What tools answer that do nothing else."""


def _form(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _titled(prefix: str, word: str) -> list[dict[str, str]]:
    return [{"const": f"{prefix}{n}", "title": f"{name} {word}"} for n, name in enumerate(_ORDER, 1)]


_ORDER: Final = ("First", "Second", "Third")
_OPTIONS: Final = ["option1", "option2", "option3"]
FORMS: Final[dict[str, dict[str, Any]]] = {
    "test_elicitation": _form(
        ["username", "email"],
        username={"type": "string", "description": "User's response"},
        email={"type": "string", "description": "User's email address"},
    ),
    "test_elicitation_sep1034_defaults": _form(
        [],
        name={"type": "string", "default": "John Doe"},
        age={"type": "integer", "default": 30},
        score={"type": "number", "default": 95.5},
        status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        verified={"type": "boolean", "default": True},
    ),
    "test_elicitation_sep1330_enums": _form(
        [],
        untitledSingle={"type": "string", "enum": _OPTIONS},
        titledSingle={"type": "string", "oneOf": _titled("value", "Option")},
        legacyEnum={
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        untitledMulti={"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
        titledMulti={"type": "array", "items": {"anyOf": _titled("value", "Choice")}},
    ),
}
"""What tools ask the user for."""

ARGUMENTS: Final = {"test_sampling": "prompt", "test_elicitation": "message"}
TOOLS: Final = (
    *CONTENTS,
    *FORMS,
    "test_sampling",
    "test_tool_with_logging",
    "test_tool_with_progress",
    "test_error_handling",
)
RESOURCES: Final = {
    "test://static-text": {"mimeType": "text/plain", "text": "This is the content of the static text resource."},
    "test://static-binary": {"mimeType": "image/png", "blob": _png()},
    "test://watched-resource": {"mimeType": "text/plain", "text": "Watch me."},
}
TEMPLATE: Final = ("test://template/", "/data")
PROMPTS: Final[dict[str, tuple[str, ...]]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
}


async def list_tools(_context: Context, _params: object) -> types.ListToolsResult:
    tools = [{"name": name, "description": f"{name} of the suite", "inputSchema": _schema(name)} for name in TOOLS]
    return types.ListToolsResult.model_validate({"tools": tools})


def _schema(tool: str) -> dict[str, Any]:
    if (argument := ARGUMENTS.get(tool)) is None:
        return {"type": "object"}
    return {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}


async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    content = await _content(context, params.name, params.arguments or {})
    is_error = params.name == "test_error_handling"
    return types.CallToolResult.model_validate({"content": content, "isError": is_error})


async def _content(context: Context, tool: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    if tool in CONTENTS:
        return CONTENTS[tool]
    if tool in FORMS:
        message = arguments.get("message", "Please answer.")
        answer = await context.session.elicit_form(message, FORMS[tool], context.request_id)
        said = json.dumps(answer.content)
        return [_text(f"Elicitation completed: action={answer.action}, content={said}")]
    match tool:
        case "test_sampling":
            return [_text(f"LLM response: {await _sampled(context, arguments['prompt'])}")]
        case "test_tool_with_logging":
            await _log(context)
            return [_text("Logged.")]
        case "test_tool_with_progress":
            await _progress(context)
            return [_text("Progressed.")]
        case "test_error_handling":
            return [_text("This tool intentionally returns an error for testing")]
        case _:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool {tool!r}.")


async def _sampled(context: Context, prompt: str) -> str:
    asked = types.SamplingMessage.model_validate({"role": "user", "content": _text(prompt)})
    answer = await context.session.create_message([asked], max_tokens=100, related_request_id=context.request_id)
    return answer.content.text if isinstance(answer.content, types.TextContent) else str(answer.content)


async def _log(context: Context) -> None:
    for done in ("execution started", "processing data", "execution completed"):
        await context.session.send_log_message("info", f"Tool {done}", related_request_id=context.request_id)
        await asyncio.sleep(STEP_SECONDS)


async def _progress(context: Context) -> None:
    token = None if context.meta is None else context.meta.get("progress_token")
    for done in (0, 50, 100):
        if token is not None:
            await context.session.send_progress_notification(
                token, done, 100, related_request_id=str(context.request_id)
            )
        await asyncio.sleep(STEP_SECONDS)


async def list_resources(_context: Context, _params: object) -> types.ListResourcesResult:
    entries = [{"uri": uri, "name": uri, "mimeType": each["mimeType"]} for uri, each in RESOURCES.items()]
    return types.ListResourcesResult.model_validate({"resources": entries})


async def list_templates(_context: Context, _params: object) -> types.ListResourceTemplatesResult:
    entry = {"uriTemplate": "{id}".join(TEMPLATE), "name": "template", "mimeType": "application/json"}
    return types.ListResourceTemplatesResult.model_validate({"resourceTemplates": [entry]})


async def read_resource(_context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    uri = str(params.uri)
    before, after = TEMPLATE
    if uri in RESOURCES:
        content = RESOURCES[uri]
    elif uri.startswith(before) and uri.endswith(after):
        key = uri.removeprefix(before).removesuffix(after)
        told = {"id": key, "templateTest": True, "data": f"Data for ID: {key}"}
        content = {"mimeType": "application/json", "text": json.dumps(told)}
    else:
        raise MCPError(NOT_FOUND, "Resource not found", {"uri": uri})
    return types.ReadResourceResult.model_validate({"contents": [{"uri": uri, **content}]})


async def list_prompts(_context: Context, _params: object) -> types.ListPromptsResult:
    entries = [
        {
            "name": name,
            "description": f"{name} of the suite",
            "arguments": [{"name": each, "description": f"{each} of {name}", "required": True} for each in arguments],
        }
        for name, arguments in PROMPTS.items()
    ]
    return types.ListPromptsResult.model_validate({"prompts": entries})


async def get_prompt(_context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
    given = params.arguments or {}
    match params.name:
        case "test_simple_prompt":
            contents = [_text("This is a simple prompt for testing.")]
        case "test_prompt_with_arguments":
            contents = [_text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'")]
        case "test_prompt_with_embedded_resource":
            embedded = _embedded(given["resourceUri"], "text/plain", "Embedded resource content for testing.")
            contents = [embedded, _text("Please process the embedded resource above.")]
        case "test_prompt_with_image":
            contents = [IMAGE, _text("Please analyze the image above.")]
        case _:
            raise MCPError(types.INVALID_PARAMS, f"Unknown prompt {params.name!r}.")
    return types.GetPromptResult.model_validate({"messages": [{"role": "user", "content": each} for each in contents]})


async def complete(_context: Context, _params: types.CompleteRequestParams) -> types.CompleteResult:
    return types.CompleteResult.model_validate({"completion": {"values": [], "total": 0, "hasMore": False}})


async def nothing(_context: Context, _params: object) -> types.EmptyResult:
    return types.EmptyResult()


def build() -> Server[Any]:
    """The server."""
    return Server(
        "conformance-fixture",
        version="1",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_subscribe_resource=nothing,
        on_unsubscribe_resource=nothing,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_completion=complete,
        on_set_logging_level=nothing,
    )


def main() -> None:
    """Serves on a port of loopback."""
    uvicorn.run(build().streamable_http_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
