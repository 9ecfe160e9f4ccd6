// A server on the TypeScript SDK v1, with sessions: node v1_server.mjs PORT

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';

const text = (text) => ({ content: [{ type: 'text', text }] });
const NAME = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
const sessions = new Map();

function build() {
  const server = new McpServer({ name: 'peer-typescript-v1', version: '1' });
  const tool = (name, act, inputSchema = {}) => server.registerTool(name, { description: name, inputSchema }, act);
  tool('test_simple_text', async () => text('This is a simple text response for testing.'));
  tool('test_error_handling', async () => ({ ...text('This tool intentionally returns an error for testing'), isError: true }));
  tool('test_tool_with_progress', async (_args, extra) => {
    const progressToken = extra._meta?.progressToken;
    for (const progress of progressToken === undefined ? [] : [0, 50, 100]) {
      await extra.sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
    }
    return text('Progressed.');
  });
  const ask = async () => {
    const answer = await server.server.elicitInput({ message: 'What is your name?', requestedSchema: NAME });
    return text(`Hello, ${answer.content?.name}!`);
  };
  tool('test_elicitation', ask, { message: z.string().optional() });
  tool('test_input_required_result_elicitation', ask);
  let extra;
  tool('test_trigger_tool_change', async () => {
    // Both send `list_changed` to the clients of this session.
    if (extra) {
      extra.remove();
      extra = undefined;
    } else {
      extra = tool('test_dynamic_tool', async () => text('Only here at times.'));
    }
    return text('The list of tools has changed.');
  });
  server.registerResource('static', 'test://static-text', { description: 'static', mimeType: 'text/plain' }, async () => ({
    contents: [{ uri: 'test://static-text', text: 'This is the content of the static text resource.' }],
  }));
  const argsSchema = { arg1: z.string(), arg2: z.string() };
  server.registerPrompt('test_prompt_with_arguments', { description: 'two arguments', argsSchema }, async ({ arg1, arg2 }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` } }],
  }));
  return server;
}

createServer(async (request, response) => {
  const known = sessions.get(request.headers['mcp-session-id']);
  if (known) return known.handleRequest(request, response);
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (id) => { sessions.set(id, transport); },
    onsessionclosed: (id) => { sessions.delete(id); },
  });
  await build().connect(transport);
  await transport.handleRequest(request, response);
}).listen(Number(process.argv[2]), '127.0.0.1');
