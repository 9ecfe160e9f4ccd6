// A client on the TypeScript SDK v2: node v2_client.mjs URL ERA

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { ASKS, answer, expect, step, textOf } from './steps.mjs';

const [url, era] = process.argv.slice(2);
const mode = { legacy: 'legacy', modern: { pin: '2026-07-28' }, auto: 'auto' }[era];
let heard;
const changed = new Promise((resolve) => { heard = resolve; });
const client = new Client(
  { name: 'peer-typescript-v2', version: '1' },
  {
    capabilities: { elicitation: { form: {} } },
    versionNegotiation: { mode },
    listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged: (error) => heard(error) } },
  },
);
client.setRequestHandler('elicitation/create', async (request) => answer(request.params.requestedSchema));

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
  await client.callTool({ name: 'test_tool_with_progress', arguments: {} }, { onprogress: (each) => seen.push(each.progress) });
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
  const spoken = client.getNegotiatedProtocolVersion?.() === '2026-07-28' ? 'modern' : 'legacy';
  const result = await client.callTool({ name: ASKS[spoken], arguments: { message: 'Who are you?' } });
  expect(/alice/i.test(textOf(result)), `the answer in ${textOf(result)}`);
});
await step('change', async () => {
  await client.callTool({ name: 'test_trigger_tool_change', arguments: {} });
  const error = await changed;
  if (error) throw error;
});
await client.close();
