// Runs every scenario through one of the protocols on one model, and prints what was seen as one JSON document.
// usage: node suite.mjs URL KEY POOR_KEY PROTOCOL MODEL all|SCENARIO
import { APICallError, generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { z } from 'zod';

const [url, key, poorKey, protocol, name, wanted] = process.argv.slice(2);
const protocols = {
  chat: (apiKey) => createOpenAI({ baseURL: `${url}/v1`, apiKey }).chat,
  responses: (apiKey) => createOpenAI({ baseURL: `${url}/v1`, apiKey }).responses,
  compatible: (apiKey) =>
    createOpenAICompatible({ name: 'ninefold', baseURL: `${url}/v1`, apiKey, includeUsage: true, supportsStructuredOutputs: true }),
  anthropic: (apiKey) => createAnthropic({ baseURL: `${url}/v1`, apiKey }),
  google: (apiKey) => createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey }),
};
const at = (model, apiKey = key) => protocols[protocol](apiKey)(model);
const model = at(name);
const shared = { model, maxRetries: 0 };
const city = z.object({ city: z.string() });
const tools = {
  weather: tool({ description: 'Tells the weather.', inputSchema: city, execute: async (asked) => `result of weather in ${asked.city}` }),
  clock: tool({ description: 'Tells the time.', inputSchema: city, execute: async (asked) => `result of clock in ${asked.city}` }),
};
const twoCalls = 'call weather {"city": "Köln \\"am\\" Rhein"}\ncall clock {"city": "Oslo"}';
const answer = z.object({ a: z.number() });
const pixel =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const calls = (steps) => steps.flatMap((step) => step.toolCalls.map((call) => [call.toolName, call.input]));
const usage = (used) => ({ output: used.outputTokens, cached: used.inputTokenDetails?.cacheReadTokens ?? used.cachedInputTokens ?? 0 });

async function failure(asked) {
  try {
    await asked();
  } catch (error) {
    const cause = APICallError.isInstance(error) ? error : error.lastError ?? error.cause ?? error;
    return { typed: APICallError.isInstance(cause), status: cause.statusCode ?? null, body: cause.responseBody ?? String(cause) };
  }
  return null;
}

const scenarios = {
  async text() {
    const made = await generateText({ ...shared, system: 'Be brief.', prompt: 'hello there' });
    return { text: made.text, finish: made.finishReason, usage: usage(made.usage) };
  },
  async stream() {
    const made = streamText({ ...shared, prompt: 'hello there' });
    const pieces = [];
    for await (const piece of made.textStream) pieces.push(piece);
    return { text: pieces.join(''), pieces: pieces.length, finish: await made.finishReason, usage: usage(await made.usage) };
  },
  async tools() {
    const made = await generateText({ ...shared, prompt: twoCalls, tools, stopWhen: stepCountIs(3) });
    return { calls: calls(made.steps), text: made.text, finishes: made.steps.map((step) => step.finishReason) };
  },
  async streamedTools() {
    const made = streamText({ ...shared, prompt: twoCalls, tools, stopWhen: stepCountIs(3) });
    const fragments = {};
    for await (const part of made.fullStream) {
      if (part.type === 'tool-input-delta') fragments[part.id] = (fragments[part.id] ?? '') + part.delta;
    }
    return { calls: calls(await made.steps), text: await made.text, fragments: Object.values(fragments).map((text) => JSON.parse(text)) };
  },
  async forced() {
    const made = await generateText({ ...shared, prompt: "It is 'Oslo'", tools, toolChoice: { type: 'tool', toolName: 'clock' } });
    return { calls: calls(made.steps) };
  },
  async object() {
    const made = await generateText({ ...shared, prompt: 'json {"a": 1}', output: Output.object({ schema: answer, name: 'answer' }) });
    return { object: made.output };
  },
  async image() {
    const content = [
      { type: 'text', text: 'what is this' },
      { type: 'file', mediaType: 'image/png', data: pixel },
    ];
    const made = await generateText({ ...shared, messages: [{ role: 'user', content }] });
    return { text: made.text };
  },
  async cached() {
    return usage((await generateText({ ...shared, prompt: 'this is cached' })).usage);
  },
  async length() {
    const made = await generateText({ ...shared, prompt: 'long 50', maxOutputTokens: 7 });
    return { finish: made.finishReason, usage: usage(made.usage) };
  },
  async errors() {
    return {
      key: await failure(() => generateText({ ...shared, model: at(name, 'wrong'), prompt: 'x' })),
      model: await failure(() => generateText({ ...shared, model: at('nothing'), prompt: 'x' })),
      budget: await failure(() => generateText({ ...shared, model: at(name, poorKey), prompt: 'x' })),
    };
  },
};

// On request alone: the test breaks the vendor's stream first, or asks a vendor for what it lacks.
const onRequest = {
  async cut() {
    const pieces = [];
    let failed = null;
    const made = streamText({ ...shared, prompt: 'one two three four five six seven eight', onError: () => {} });
    for await (const part of made.fullStream) {
      if (part.type === 'text-delta') pieces.push(part.text);
      if (part.type === 'error') failed = String(part.error?.message ?? JSON.stringify(part.error));
    }
    return { pieces: pieces.length, failed };
  },
  async unsupported() {
    return failure(() => generateText({ ...shared, prompt: 'x', seed: 7 }));
  },
};

const seen = {};
for (const [title, run] of Object.entries(wanted === 'all' ? scenarios : { [wanted]: onRequest[wanted] })) {
  try {
    seen[title] = await run();
  } catch (error) {
    seen[title] = { failed: `${error.name}: ${error.message} ${error.responseBody ?? ''}` };
  }
}
console.log(JSON.stringify(seen));
