// What every client does in turn; each step prints a line: its name, and what was wrong where something was.

export const SECONDS = 15;

export const say = (name, error = '') => console.log(JSON.stringify({ step: name, error: String(error).slice(0, 300) }));

export async function step(name, act) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing for ${SECONDS} s`)), SECONDS * 1000);
  });
  try {
    await Promise.race([act(), late]);
    say(name);
  } catch (error) {
    say(name, error?.message ?? error);
  } finally {
    clearTimeout(timer);
  }
}

export function expect(holds, what) {
  if (!holds) throw new Error(`expected ${what}`);
}

export const ASKS = { legacy: 'test_elicitation', modern: 'test_input_required_result_elicitation' };
export const ANSWER = { action: 'accept', content: { name: 'Alice', username: 'alice', email: 'alice@example.com' } };

// The answer to a form: a value for each field that it has.
export const answer = (form) => ({
  action: 'accept',
  content: Object.fromEntries(Object.keys(form.properties ?? {}).map((name) => [name, ANSWER.content[name] ?? 'x'])),
});

export function textOf(result) {
  return result.content.map((each) => each.text ?? '').join('');
}
