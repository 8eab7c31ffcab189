// Loaded into each Node.js of a launchd test: telec takes this computer for a Mac. What stays Linux: open(2) knows no
// O_EXLOCK, so that telec's lock is not held against anybody here.
Object.defineProperty(process, 'platform', { value: 'darwin' })
