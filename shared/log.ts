/** One structured line. Fields must never hold secrets; names from outside are escaped by JSON. */
export interface Log {
  write(level: 'debug' | 'info' | 'warn' | 'error', event: string, fields?: Record<string, unknown>): void
}

/** JSON Lines on the runtime's console. Only composition roots name it. */
export const consoleLog: Log = {
  write: (level, event, fields) => {
    const line = JSON.stringify({ level, event, ...fields })
    if (level === 'error') console.error(line)
    else if (level === 'warn') console.warn(line)
    else console.log(line)
  },
}

/** Says nothing. */
export const silentLog: Log = { write: () => {} }
