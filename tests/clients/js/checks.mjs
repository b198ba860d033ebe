/** What the scripts tell tests/clients/javascript.py: one line of JSON on standard output for each check. */

import assert from "node:assert/strict";
import { Console } from "node:console";

const PATIENCE_MS = 30_000; // on a machine that is busy with other things

// matrix-js-sdk writes to the console what it does; hence this module is to be imported before it.
globalThis.console = new Console(process.stderr);

export { assert };

/** Runs a step of the script, and says how it went. After one that failed nothing else is of any use. */
export async function check(name, step) {
    const began = Date.now();
    try {
        const result = await step();
        report({ check: name, ms: Date.now() - began });
        return result;
    } catch (error) {
        report({ check: name, ms: Date.now() - began, failed: error?.stack ?? String(error) });
        process.exit(1);
    }
}

/** Ends the script, whatever timers the library still has. */
export function finished() {
    process.exit(0);
}

/** The arguments of the next emission that is accepted. To be called before what brings it about. */
export function emitted(emitter, name, accepts = () => true) {
    const { promise, resolve, reject } = Promise.withResolvers();
    const timer = setTimeout(() => reject(new Error(`${name} was not emitted`)), PATIENCE_MS);
    const listener = (...values) => {
        if (accepts(...values)) resolve(values);
    };
    emitter.on(name, listener);
    // Whoever waits for it is told; until then a step that failed for another reason has the word.
    promise
        .finally(() => {
            clearTimeout(timer);
            emitter.off(name, listener);
        })
        .catch(() => {});
    return promise;
}

/** The first truthy value of `condition`, which may be asynchronous: for what comes about by more than one event. */
export async function until(what, condition) {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
        const value = await condition();
        if (value) return value;
        if (Date.now() > deadline) throw new Error(`never: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

/** Asserts that the server refuses, and how. */
export async function refused(errcode, request) {
    await assert.rejects(request, (error) => {
        assert.equal(error.errcode, errcode, error.stack);
        return true;
    });
}

function report(line) {
    process.stdout.write(`${JSON.stringify(line)}\n`);
}
