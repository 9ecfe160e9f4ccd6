// A server of both eras on the TypeScript SDK v2, with sessions in the legacy one: node v2_server.mjs PORT

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest } from '@modelcontextprotocol/node';
import { McpServer, acceptedContent, createMcpHandler, inputRequired, isLegacyRequest } from '@modelcontextprotocol/server';
import { z } from 'zod';

const text = (text) => ({ content: [{ type: 'text', text }] });
const NAME = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
let extra = false;
const offerExtra = (server) => {
  const act = async () => text('Only here at times.');
  extras.set(server, server.registerTool('test_dynamic_tool', { description: 'extra', inputSchema: z.object({}) }, act));
};
const changed = () => {
  handler.notify.toolsChanged();
  for (const { server } of sessions.values()) {
    // Both send `list_changed` to the client of the session.
    if (extra) offerExtra(server);
    else extras.get(server)?.remove();
  }
};

async function ask(_args, ctx) {
  const answer = acceptedContent(ctx.mcpReq.inputResponses, 'user_name');
  if (answer) return text(`Hello, ${answer.name}!`);
  const asked = inputRequired.elicit({ message: 'What is your name?', requestedSchema: NAME });
  return inputRequired({ inputRequests: { user_name: asked } });
}

function build() {
  const server = new McpServer({ name: 'peer-typescript-v2', version: '1' }, { capabilities: { tools: { listChanged: true } } });
  const tool = (name, act, inputSchema = z.object({})) => server.registerTool(name, { description: name, inputSchema }, act);
  tool('test_simple_text', async () => text('This is a simple text response for testing.'));
  tool('test_error_handling', async () => ({ ...text('This tool intentionally returns an error for testing'), isError: true }));
  tool('test_tool_with_progress', async (_args, ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (const progress of progressToken === undefined ? [] : [0, 50, 100]) {
      await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
    }
    return text('Progressed.');
  });
  tool('test_elicitation', ask, z.object({ message: z.string().optional() }));
  tool('test_input_required_result_elicitation', ask);
  tool('test_trigger_tool_change', async () => {
    extra = !extra;
    changed();
    return text('The list of tools has changed.');
  });
  if (extra) offerExtra(server);
  server.registerResource('static', 'test://static-text', { description: 'static', mimeType: 'text/plain' }, async () => ({
    contents: [{ uri: 'test://static-text', text: 'This is the content of the static text resource.' }],
  }));
  const argsSchema = z.object({ arg1: z.string(), arg2: z.string() });
  server.registerPrompt('test_prompt_with_arguments', { description: 'two arguments', argsSchema }, async ({ arg1, arg2 }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` } }],
  }));
  return server;
}

const sessions = new Map();
const extras = new WeakMap();
const handler = createMcpHandler(build, { legacy: 'reject' });
const modern = toNodeHandler(handler);

async function legacy(request, response, body) {
  const known = sessions.get(request.headers['mcp-session-id']);
  if (known) return known.transport.handleRequest(request, response, body);
  const server = build();
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (id) => { sessions.set(id, { server, transport }); },
    onsessionclosed: (id) => { sessions.delete(id); },
  });
  await server.connect(transport);
  await transport.handleRequest(request, response, body);
}

createServer(async (request, response) => {
  let body;
  if (request.method === 'POST') {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    try {
      body = JSON.parse(Buffer.concat(chunks).toString());
    } catch {
      body = null;
    }
  }
  const probe = await toWebRequest(request, body);
  await ((await isLegacyRequest(probe)) ? legacy(request, response, body) : modern(request, response, body));
}).listen(Number(process.argv[2]), '127.0.0.1');
