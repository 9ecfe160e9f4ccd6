// A client on the TypeScript SDK v1: node v1_client.mjs URL

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { ASKS, answer, expect, step, textOf } from './steps.mjs';

const [url] = process.argv.slice(2);
let heard;
const changed = new Promise((resolve) => { heard = resolve; });
const client = new Client({ name: 'peer-typescript-v1', version: '1' }, { capabilities: { elicitation: {} } });
client.setRequestHandler(ElicitRequestSchema, async (request) => answer(request.params.requestedSchema));
client.setNotificationHandler(ToolListChangedNotificationSchema, () => heard());

await step('connect', () => client.connect(new StreamableHTTPClientTransport(new URL(url))));
await step('list', async () => {
  const { tools } = await client.listTools();
  expect(tools.some((tool) => tool.name === 'test_simple_text'), 'test_simple_text in the list');
});
await step('call', async () => {
  const result = await client.callTool({ name: 'test_simple_text', arguments: {} });
  expect(textOf(result) === 'This is a simple text response for testing.', 'the simple text');
});
await step('error', async () => {
  const result = await client.callTool({ name: 'test_error_handling', arguments: {} });
  expect(result.isError === true, 'isError');
});
await step('progress', async () => {
  const seen = [];
  await client.callTool({ name: 'test_tool_with_progress', arguments: {} }, undefined, { onprogress: (each) => seen.push(each.progress) });
  expect(seen.join() === '0,50,100', `0,50,100 and not ${seen}`);
});
await step('read', async () => {
  const { contents } = await client.readResource({ uri: 'test://static-text' });
  expect(contents[0].text === 'This is the content of the static text resource.', 'the static text');
});
await step('prompt', async () => {
  const { messages } = await client.getPrompt({ name: 'test_prompt_with_arguments', arguments: { arg1: 'a', arg2: 'b' } });
  expect(messages[0].content.text.includes("arg1='a', arg2='b'"), 'both arguments');
});
await step('ask', async () => {
  const result = await client.callTool({ name: ASKS.legacy, arguments: { message: 'Who are you?' } });
  expect(/alice/i.test(textOf(result)), `the answer in ${textOf(result)}`);
});
await step('change', async () => {
  await client.callTool({ name: 'test_trigger_tool_change', arguments: {} });
  await changed;
});
await client.close();
