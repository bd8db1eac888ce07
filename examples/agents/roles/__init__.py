"""The five roles of a pool, by the type of task that each executes."""
from roles.architect import Architect
from roles.coder import Coder
from roles.critic import Critic
from roles.deployer import Deployer
from roles.executor import Executor

ROLES = {role.name: role for role in (Architect, Coder, Executor, Critic, Deployer)}
