import { z } from 'zod';

// Before any schema is made: compiling a check takes as long as a thousand checks, and few instances see so many.
z.config({ jitless: true });
